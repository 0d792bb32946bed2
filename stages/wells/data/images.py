"""From encoded photos to arrays of one size."""

import hashlib
import io
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from stages.common.errors import InputError
from stages.common.types import Images

MAX_PIXELS = 50_000_000
# The longest side of a JPEG. What PIL needs grows with a side too, not with the pixels alone.
MAX_SIDE = 65_535
# A progressive JPEG comes in about ten; each costs as much time as there are pixels.
MAX_SCANS, START_OF_SCAN = 500, b"\xff\xda"
# No vector formats: PIL would hand them to other programs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
NAMES_SHOWN = 20


class Decoded(NamedTuple):
    """Images of one size, `[N, 3, H, W]` uint8, with their names and content digests, `[N]`.

    A digest is of the decoded pixels at their full size: equal digests, equal photos.
    """

    images: Images
    names: NDArray[np.str_]
    digests: NDArray[np.str_]


def decode(data: bytes) -> Image.Image:
    """Decode a photo of any common format and mode as upright 8-bit RGB.

    Grey, palette, RGBA, CMYK and 16-bit images are converted; transparency is dropped. Raises
    ValueError, saying why, where the data is no image, is broken, has over MAX_PIXELS pixels, a
    side over MAX_SIDE or, as a JPEG, over MAX_SCANS scans.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, over {MAX_PIXELS:,}")
            if max(image.size) > MAX_SIDE:
                raise ValueError(f"{image.width} x {image.height} pixels, a side over {MAX_SIDE:,}")
            if image.format in ("JPEG", "MPO") and data.count(START_OF_SCAN) > MAX_SCANS:
                raise ValueError(f"a JPEG of over {MAX_SCANS} scans")
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):
                # Sixteen bits a pixel: PIL's own conversion would clip them at 255.
                image = image.convert("I").point(lambda value: value / 257 + 0.5).convert("L")
            return image.convert("RGB")
    except UnidentifiedImageError:
        raise ValueError("not an image") from None
    except Exception as error:
        # PIL's decoders let many kinds of exceptions through for broken data.
        raise ValueError(str(error) or type(error).__name__) from None


def resize(image: Image.Image, height: int, width: int) -> Images:
    """Return an RGB image as `[3, height, width]`, averaged over what each new pixel covers."""
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


def digest(image: Image.Image) -> str:
    """Return a fingerprint of an image's size and pixels, in hexadecimal digits."""
    content = f"{image.width}x{image.height}:".encode() + image.tobytes()
    return hashlib.sha256(content).hexdigest()


def decode_all(files: Mapping[str, bytes], height: int, width: int, title: str) -> Decoded:
    """Decode images and resize them to pixels, in the order of their names.

    Raises InputError that names every image (up to NAMES_SHOWN) that can't be decoded.
    """
    images = np.empty((len(files), 3, height, width), dtype=np.uint8)
    names, digests, broken = sorted(files), [], []
    for index, name in enumerate(tqdm(names, desc=f"decode {title}", unit="image", disable=None)):
        try:
            image = decode(files[name])
            images[index] = resize(image, height, width)
            digests.append(digest(image))
        except ValueError as error:
            broken.append(f"  {name}: {error}")
    if broken:
        more = f"\n  and {len(broken) - NAMES_SHOWN} more" if len(broken) > NAMES_SHOWN else ""
        raise InputError(
            f"{len(broken)} of {len(names)} images of {title} can't be decoded; replace or remove "
            "them in the source:\n" + "\n".join(broken[:NAMES_SHOWN]) + more
        )
    return Decoded(images, np.array(names, dtype=np.str_), np.array(digests, dtype=np.str_))
