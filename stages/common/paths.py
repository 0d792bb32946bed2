"""Where everything lies, from the project's top folder, in which all commands run."""

from pathlib import Path

PARAMS = Path("params.yaml")
ARCHIVE, WELLS = Path("data/raw/wells.zip"), Path("data/wells")
STYLE_COUNTS = Path("data/styles.yaml")
# To learn from, and held out.
AVATAR_PARTS = Path("data/avatars/train.npz"), Path("data/avatars/holdout.npz")
# What is published in Git.
GENERATED = Path("data/generated")
# A folder for each network; a file for each detector; the one in use, with the weights it needs.
NETWORKS, DETECTORS = Path("models/networks"), Path("models/detectors")
DETECTOR = Path("models/detector")
# The same as one file, which needs no PyTorch, beside its model card.
EXPORTED = Path("models/exported/detector.onnx")
# What is decided by, and reports beside it.
METRICS, REPORTS = Path("metrics"), Path("metrics/reports")
PLOTS = Path("plots")
