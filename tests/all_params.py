"""All sections of params.yaml in one model, which no stage reads."""

from stages.bayes.params import AvatarParams, StyleParams
from stages.common.params import Seed
from stages.wells.data.params import DatasetParams, ImageParams, SplitParams
from stages.wells.detection.params import DetectionParams
from stages.wells.latent.params import LatentParams
from stages.wells.networks.params import NetworksParams, TrainParams


class AllParams(DetectionParams):
    seed: Seed
    dataset: DatasetParams
    images: ImageParams
    split: SplitParams
    train: TrainParams
    networks: NetworksParams
    latent: LatentParams
    styles: StyleParams
    avatars: AvatarParams
