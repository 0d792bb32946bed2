"""Small framed photos."""

from PIL import Image, ImageOps

from stages.common.types import Images

FRAME = 4


def tile_height(images: Images, width: int) -> int:
    """Return how high a tile of that width is of images `[N, 3, H, W]`."""
    height: int = round(width * images.shape[-2] / images.shape[-1])
    return height


def framed(photo: Image.Image, width: int, height: int, colour: str) -> Image.Image:
    """Return a photo of that size, in pixels, the frame included."""
    inner = photo.resize((width - 2 * FRAME, height - 2 * FRAME), Image.Resampling.BICUBIC)
    return ImageOps.expand(inner, FRAME, colour)
