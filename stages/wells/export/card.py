"""The model card that lies beside an exported detector."""

from stages.wells.inference.metadata import Metadata

TEMPLATE = """\
# Detector of spills

`detector.onnx` says of a photo of one well of a metal-pouring table whether metal has left it (a
*spill*) or not, and whether something lies over the well. It is one ONNX file: networks, features,
threshold. It needs onnxruntime and no PyTorch.

**Input** `photos`: uint8 `[N, 3, {height}, {width}]`, RGB, any number of photos. Each must be cut
so that one well fills it, and resized by Pillow's `resize(({width}, {height}), BILINEAR)`. What
other programs call bilinear may give other pixels.

**Outputs**

| name | | what it says |
|---|---|---|
| `score` | float64 `[N]` | how strange the photo is: the mean of {scores} |
| `margin` | float64 `[N]` | the score minus the threshold, {threshold:.4f} |
| `spill` | bool `[N]` | whether the margin is 0 or more |
| `view` | uint8 `[N]` | 1 where a hand or a tool seems to lie at the well's sides: look yourself |
| `scores` | float64 `[N, {count}]` | each of {names} |
| `blocks` | float64 `[N, {rows}, {columns}]` | how strange each block is: see below |

Scores are in standard deviations of normal wells that were held out. They are no probabilities. For
another threshold, compare `score` with it. A block is 0 where it is no stranger than 99 of 100 of
such wells' blocks, 1 where it is twice as strange, 2 where four times.

**Not for** a decision to stop or to release a pour, or for anybody's safety, without a person who
looks; for photos of another camera, table or crop, before it was measured on them; for photos that
show no well, which get a label too.

The file's metadata hold the threshold, the names of labels and scores, which blocks count, the
parameters, and the SHA-256 of what it was made from.
"""


def write_card(metadata: Metadata) -> str:
    """Return the text of the card, in Markdown; it tells no figure of any test."""
    names = [f"`{name}`" for name in metadata.scores]
    return TEMPLATE.format(
        height=metadata.height,
        width=metadata.width,
        threshold=metadata.threshold,
        scores="its one score" if len(names) == 1 else f"{len(names)} scores",
        count=len(names),
        names=", ".join(names),
        rows=len(metadata.counted),
        columns=len(metadata.counted[0]),
    )
