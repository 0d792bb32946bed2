"""A detector with its networks as one module, from photos to all that it says of them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stages.common.types import Images
from stages.wells.detection.batches import as_batches
from stages.wells.detection.decision_map import map_blocks
from stages.wells.detection.detector import Detector, standardise
from stages.wells.detection.features import exact
from stages.wells.detection.normality import measure_distances, pool_distances
from stages.wells.inference.verdict import Verdict
from stages.wells.networks.registry import Members


class Judge(nn.Module):
    """What is exported: images `[N, 3, H, W]` uint8 to the fields of a Verdict, in their order."""

    def __init__(self, detector: Detector, networks: Mapping[str, Members]) -> None:
        super().__init__()
        self.detector = detector
        self.members = {name: networks[name] for name in sorted(detector.networks())}
        # So that PyTorch knows the weights.
        self.networks = nn.ModuleList(nn.ModuleList(one) for one in self.members.values())

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return score, margin, spill, view, scores and blocks, as Verdict tells them."""
        detector = self.detector
        normality = detector.normality()
        distances = measure_distances(images, normality, self.members)
        pooled = pool_distances(distances, normality)
        standard = [
            standardise(pooled[name], fitted.mean, fitted.std)
            for name, fitted in detector.scores.items()
        ]
        scores = torch.stack(standard, dim=1)
        score, threshold = scores.mean(1), exact(detector.threshold)
        return (
            score,
            score - threshold,
            score >= threshold,
            detector.occlusion.mark(images).byte(),
            scores,
            map_blocks(detector, distances),
        )


def judge_images(detector: Detector, networks: Mapping[str, Members], images: Images) -> Verdict:
    """Return what a detector says of images `[N, 3, H, W]` uint8."""
    judge = Judge(detector, networks)
    with torch.no_grad():
        batches = [judge(batch) for batch in as_batches(images)]
    return Verdict(*(torch.cat(outputs).numpy() for outputs in zip(*batches, strict=True)))
