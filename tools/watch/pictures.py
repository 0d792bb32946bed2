"""What a watch's photos show: as the log keeps it, as in their files, or as it was judged."""

import io
from pathlib import Path
from threading import RLock

from PIL import Image

from stages.common.pictures import as_tiles
from stages.common.types import Images
from stages.wells.data.images import decode, resize
from stages.wells.inference.exported import Exported, run_exported
from stages.wells.inference.heat import lay_over
from tools.watch.intake import File, Layout, cut
from tools.watch.store import Store

MAGNIFIED = 6


class Pictures:
    """Pictures of photos, by their numbers; `lock` is held while the log is read."""

    def __init__(
        self, folder: Path, layout: Layout, store: Store, exported: Exported, lock: RLock
    ) -> None:
        self.folder, self.layout, self.store = folder, layout, store
        self.exported, self.lock = exported, lock
        # Of each well the last photo as it was judged, for where its file doesn't stay.
        self.last: dict[str, tuple[int, Images]] = {}

    def prepare(self, picture: Image.Image) -> Images:
        """Return a picture as the detector takes it, `[3, H, W]`."""
        return resize(picture, self.exported.metadata.height, self.exported.metadata.width)

    def find(self, photo: int) -> bytes | None:
        """Return what a photo shows of its well as PNG, if that or its file is kept."""
        picture = self._picture(photo)
        return _png(picture) if picture else None

    def find_heat(self, photo: int) -> bytes | None:
        """Return a photo with what is strange laid over it as PNG, if it is kept."""
        if not (picture := self._picture(photo)):
            return None
        image = self.prepare(picture)[None]
        heat = as_tiles(lay_over(image, run_exported(self.exported, image).blocks))[0]
        size = heat.width * MAGNIFIED, heat.height * MAGNIFIED
        return _png(heat.resize(size, Image.Resampling.NEAREST))

    def _picture(self, photo: int) -> Image.Image | None:
        with self.lock:
            png, row = self.store.picture(photo), self.store.photo(photo)
            last, image = self.last.get(row.well, (None, None)) if row else (None, None)
        if png or not row:
            return decode(png) if png else None
        file = File(row.path, self.folder / row.path, row.stamp, row.size)
        try:
            return cut(self.layout, self.folder, file.name, decode(file.read()))[row.well]
        except (OSError, ValueError, KeyError):
            return as_tiles(image[None])[0] if image is not None and last == photo else None


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
