"""params.yaml as typed models: what may stand there, and what each value must be.

Each room has a module of its parameters; a stage reads the sections that it names and no other.
"""

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stages.common import paths
from stages.common.errors import InputError
from stages.common.yaml_files import read_yaml

SECTIONS = {
    "seed",
    "dataset",
    "images",
    "split",
    "train",
    "networks",
    "detector",
    "detectors",
    "latent",
    "styles",
    "avatars",
}


def _number(value: object) -> object:
    """Read text such as `1e-3`, which YAML 1.1 takes for a string, as the number it is."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
# A Drive link, a URL or a path.
Source = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of params.yaml: no unknown key, no silent conversion, never changed."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Sections = TypeVar("Sections", bound=Section)


def load_params(kind: type[Sections], path: Path = paths.PARAMS) -> Sections:
    """Read and check the sections that a model has fields for.

    Raises InputError where the file is missing, isn't YAML, or holds a section that there isn't,
    and where one of those sections is missing, lacks a key, or holds an unknown one or a value of
    the wrong type or out of range; every such key is named.
    """
    if not path.exists():
        raise InputError(f"{path} is missing: run from the project's top folder")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold sections: {', '.join(sorted(SECTIONS))}")
    if unknown := ", ".join(sorted(map(str, values.keys() - SECTIONS))):
        there_are = ", ".join(sorted(SECTIONS))
        raise InputError(f"{path}: there is no section {unknown}; there are {there_are}")
    try:
        return kind.model_validate({key: values[key] for key in kind.model_fields if key in values})
    except ValidationError as error:
        problems = ""
        for problem in error.errors():
            key, said = ".".join(map(str, problem["loc"])), problem["msg"]
            said = said.removeprefix("Value error, ")
            problems += f"\n  {key}: {said} (it is {problem['input']!r:.80})"
        raise InputError(f"{path}: correct these values:{problems}") from None
