"""Charts, parts of a picture, in the one look that all have."""

import io

import matplotlib.style
from matplotlib.figure import Figure
from PIL import Image

from stages.common.pictures import DPI, GREY, INK, MARGIN, TEXT_SIZE, WIDTH

LOOK = {
    "axes.edgecolor": GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": TEXT_SIZE + 1,
    "axes.titleweight": "bold",
    "figure.constrained_layout.w_pad": MARGIN / DPI,
    "font.size": TEXT_SIZE,
    "grid.alpha": 0.3,
    "legend.fontsize": TEXT_SIZE,
    "legend.frameon": False,
    "text.color": INK,
}
# Nobody's own settings may change a picture.
matplotlib.style.use(["default", LOOK])


def new_chart(height: float) -> Figure:
    """Return an empty figure of the whole width, `height` inches high."""
    return Figure(figsize=(WIDTH / DPI, height), dpi=DPI, layout="constrained")


def render(chart: Figure) -> Image.Image:
    """Return a figure as a picture."""
    pixels = io.BytesIO()
    chart.savefig(pixels, format="rgba")
    size = chart.canvas.get_width_height()
    return Image.frombytes("RGBA", size, pixels.getvalue()).convert("RGB")
