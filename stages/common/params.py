"""params.yaml as a typed model: what may stand there, and what each value must be."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from stages.common.errors import InputError
from stages.common.files import read_yaml

PARAMS_FILE = Path("params.yaml")


def _number(value: object) -> object:
    """Read text such as `1e-3`, which YAML 1.1 takes for a string, as the number it is."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(gt=0, lt=1)]
Edge = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
PatchedPixels = Annotated[int, Field(ge=16, le=256, multiple_of=8)]


class Section(BaseModel):
    """A part of params.yaml: no unknown key, no silent conversion, never changed."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class DatasetParams(Section):
    source: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ImageParams(Section):
    height: PatchedPixels
    width: PatchedPixels


class SplitParams(Section):
    holdout: Share


class TrainParams(Section):
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    device: Literal["auto", "cpu", "cuda"]


class AutoencoderParams(Section):
    width: Count
    latent: Count


class MnadParams(Section):
    width: Count
    channels: Annotated[int, Field(ge=2)]
    items: Annotated[int, Field(ge=2)]
    temperature: Positive
    compactness: NotNegative
    separateness: NotNegative
    kmeans: bool
    revival: Annotated[int, Field(ge=0)]


class ModelParams(Section):
    autoencoder: AutoencoderParams
    mnad: MnadParams


class Centre(Section):
    """The ellipse of a frame in which `centre_mse` looks; in shares of the frame's sides."""

    row: Share
    column: Share
    half_height: Share
    half_width: Share


class BoxParams(Section):
    """The rectangle that `appearance` and `texture` describe; in shares of the frame's sides."""

    top: Edge
    bottom: Edge
    left: Edge
    right: Edge

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> Self:
        if not (self.top < self.bottom and self.left < self.right):
            raise ValueError("top must be less than bottom, and left less than right")
        return self


class ScoreParams(Section):
    centre: Centre
    box: BoxParams


AnyScore = Literal["mse", "centre_mse", "coarse_mse", "appearance", "texture"]


class CombinationParams(Section):
    autoencoder: Annotated[list[AnyScore], Field(min_length=1)]
    mnad: Annotated[list[AnyScore | Literal["memory"]], Field(min_length=1)]


class DetectorParams(Section):
    model: Literal["autoencoder", "mnad"]
    scores: CombinationParams
    rule: Literal["equal_error", "margin", "youden", "sigma"]
    sigmas: Positive


class LatentParams(Section):
    clusters: Annotated[int, Field(ge=2)]


class StyleParams(Section):
    smoothing: NotNegative
    count: Count


class AvatarParams(Section):
    source: Annotated[str, Field(min_length=1)]
    varied: bool
    train: Annotated[int, Field(ge=2)]
    holdout: Count
    generators: Annotated[
        list[Literal["mle", "poly", "pixel", "tree", "style"]], Field(min_length=1)
    ]
    smoothing: Positive


class Params(Section):
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    dataset: DatasetParams
    images: ImageParams
    split: SplitParams
    train: TrainParams
    models: ModelParams
    scores: ScoreParams
    detector: DetectorParams
    latent: LatentParams
    styles: StyleParams
    avatars: AvatarParams


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check the parameters.

    Raises InputError where the file is missing, isn't YAML, or holds a value of the wrong type or
    out of range, an unknown key, or lacks one; every such key is named.
    """
    if not path.exists():
        raise InputError(f"{path} is missing: run from the project's top folder")
    values = read_yaml(path)
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(
            f"  {'.'.join(map(str, problem['loc'])) or 'the whole file'}: {problem['msg']}"
            f" (it is {problem['input']!r:.80})"
            for problem in error.errors()
        )
        raise InputError(f"{path}: correct these values:\n{problems}") from None
