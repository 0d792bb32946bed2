"""Whatever stands in a file of YAML, it is read or refused with a reason, and soon."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.bayes.styles import load_counts
from stages.common.errors import InputError
from stages.common.params import load_params
from stages.common.yaml_files import MAX_BYTES
from tests.all_params import AllParams
from tests.hostile import (
    anything,
    broken,
    encoded_text,
    few,
    read_or_refused,
    tagged,
    written,
    yaml_text,
)
from tests.wells_files import ROOT, params_with

pytestmark = pytest.mark.slow

read_params = partial(load_params, AllParams)

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40)
)
WRONG = {
    "aliases of aliases": (LAUGHS, r"line 2: write the value in place of \*a0"),
    "merged aliases": (MERGED, r"line 2: write the value in place of \*a0"),
    "itself": ("&a {x: *a}", r"in place of \*a"),
    "deep": ("[" * MAX_BYTES, "more than 20 levels"),
    "deep blocks": ("- " * 20_000, "more than 20 levels"),
    "a level too deep": ("[" * 21 + "]" * 21, "more than 20 levels"),
    "large": ("#" * MAX_BYTES + "\n", "more than 65,536 bytes"),
    "empty number": ("a: {b: !!int ''}", "can't be read as YAML"),
    "no boolean": ("a: {b: !!bool x}", "can't be read as YAML"),
    "no time": ("a: {b: !!timestamp x}", "can't be read as YAML"),
    "sixties": ("a: {b: 1" + ":1" * 400 + ".5}", "can't be read as YAML"),
    "huge": ("a: {b: -0x" + "f" * 6000 + "}", "can't be read as YAML"),
    "huge key": ("? 0x" + "f" * 6000 + "\n: {b: 1}", "can't be read as YAML"),
    "no letter": ('a: {b: "\\UFFFFFFFF"}', "can't be read as YAML"),
    "an object": ("a: !!python/object/apply:os.getcwd []", "can't be read as YAML"),
    "a key twice": ("a: {b: 1}\na: {c: 1}", "line 2: the key 'a' stands in line 1 already"),
    "no key": ("? {a: 1}\n: 3", "can't be read as YAML"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.mark.parametrize("read", [read_params, load_counts])
@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=list(WRONG))
def test_yaml_that_would_break_or_burden_a_reader_is_refused(
    read: Callable[[Path], object], text: str, reason: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "given.yaml", text.encode())
    with pytest.raises(InputError, match=rf"given\.yaml [\s\S]*{reason}"):
        read(path)


def paths_of(values: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield above + key
        if isinstance(value, dict):
            yield from paths_of(value, f"{above}{key}.")


PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@few
@given(
    st.binary(max_size=30)
    | (yaml_text | tagged).map(encoded_text)
    | broken((ROOT / "params.yaml").read_bytes())
)
def test_any_text_is_params_or_refused(folder: Path, content: bytes) -> None:
    path = written(folder / "params.yaml", content)
    read_or_refused(lambda: read_params(path), AllParams)


@settings(few, max_examples=25)
@given(st.sampled_from(sorted(paths_of(PARAMS))), anything)
@example("seed", 10**4299)
@example("train.epochs", {10**4299: 1})
def test_any_value_is_a_param_or_refused(folder: Path, key: str, value: object) -> None:
    path = written(folder / "params.yaml", encoded_text(params_with({key: value})))
    read_or_refused(lambda: read_params(path), AllParams)
