"""Pictures as PNG files, the same bytes for the same picture."""

from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from stages.common.files import replacing


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG."""
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, without the drawing library's version in it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
