"""Files are written whole or not at all, with the same bytes, and read without surprises."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.common.errors import InputError
from stages.common.files import (
    read_arrays,
    replacing,
    sha256_of,
    write_arrays,
    write_json,
    write_text,
)
from stages.common.yaml_files import read_yaml

NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)
NAMES = np.array(["a.jpg", "б.jpg"])


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError


def write_on_a_full_disk(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (write_half, RuntimeError),
        (write_on_a_full_disk, InputError),
        (lambda path: write_json(path, {"rate": float("nan")}), ValueError),
        (lambda path: write_json(path, {"rates": [{"a": float("inf")}]}), ValueError),
        (lambda path: write_arrays(path, a=np.array([None], dtype=object)), ValueError),
    ],
)
def test_a_failing_write_leaves_the_old_file_and_nothing_else(
    write: Callable[[Path], None], error: type[Exception], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write(path)
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["file"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert listing(tmp_path) == ["file"]


def test_a_written_file_can_be_read_by_all_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_text(path, "text\r\n")
    assert path.read_bytes() == b"text\r\n"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("blocked", ["file/below", "folder"])
def test_a_path_that_cannot_be_written_is_named(blocked: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"{blocked} can't be written"):
        write_text(tmp_path / blocked, "text")
    assert listing(tmp_path) == ["file", "folder"]


def test_json_keeps_order_and_six_significant_digits_and_escapes_letters(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    value = {"пролив": {"b": 0.123456789, "a": 1234567.8}, "list": [1 / 3, (2 / 3,)], "count": 7}
    write_json(path, value)
    text = path.read_text(encoding="utf-8")
    assert text.startswith(
        '{\n  "\\u043f\\u0440\\u043e\\u043b\\u0438\\u0432": {\n    "b": 0.123457,'
    )
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "пролив": {"b": 0.123457, "a": 1234570.0},
        "list": [0.333333, [0.666667]],
        "count": 7,
    }


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    write_arrays(path, numbers=NUMBERS, names=NAMES)
    names, numbers = read_arrays(path, "names", "numbers")
    np.testing.assert_array_equal(numbers, NUMBERS, strict=True)
    np.testing.assert_array_equal(names, NAMES, strict=True)


def test_arrays_carry_no_time_and_give_the_same_bytes_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    write_arrays(first, numbers=NUMBERS, names=NAMES)
    write_arrays(second, numbers=NUMBERS, names=NAMES)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as entries:
        assert {entry.date_time for entry in entries.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(NUMBERS.tobytes()) + 5] ^= 1
    path.write_bytes(content)


def put_text(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def put_a_bare_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, NUMBERS)


def put_another_array(path: Path) -> None:
    write_arrays(path, others=NUMBERS)


def put_objects(path: Path) -> None:
    objects: NDArray[np.object_] = np.array([{"a": 1}], dtype=object)
    np.savez(path, numbers=objects)


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def encrypt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        remove,
        empty,
        cut_short,
        change_a_byte,
        put_text,
        put_a_bare_array,
        put_another_array,
        put_objects,
        put_a_folder,
        encrypt,
    ],
)
def test_arrays_that_cannot_be_read_are_refused_by_the_file(
    spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "arrays.npz"
    write_arrays(path, numbers=NUMBERS)
    spoil(path)
    with pytest.raises(InputError, match=r"arrays\.npz can't be read .*dvc repro"):
        read_arrays(path, "numbers")


def test_sha256_is_that_of_the_standard(tmp_path: Path) -> None:
    # FIPS 180-2, appendix B.1: the digest of the message "abc".
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "abc") == expected


def test_sha256_of_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.zip can't be read"):
        sha256_of(tmp_path / "missing.zip")


def test_yaml_may_have_twenty_levels(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("[" * 20 + "1" + "]" * 20, encoding="utf-8")
    assert repr(read_yaml(path)).strip("[]") == "1"


@pytest.mark.parametrize(
    ("text", "line", "key", "first"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a'", 1),
        ("a: 1\na: 1\n", 2, "'a'", 1),
        ("top:\n  inner:\n    x: 1\n    y: 2\n    x: 3\n", 5, "'x'", 3),
        ("- {x: 1}\n- {y: 1, 'y': 2}\n", 2, "'y'", 2),
        ("a: 1\n? a\n: 2\n", 2, "'a'", 1),
        ("yes: 1\nno: 2\ntrue: 3\n", 3, "True", 1),
        ("1: a\n0x1: b\n", 2, "1", 1),
        ("a: !!set {x, y, x}\n", 1, "'x'", 1),
        ("<<: {x: 1}\ny: 1\ny: 2\n", 3, "'y'", 2),
    ],
)
def test_a_key_that_stands_twice_in_a_mapping_is_refused_with_its_lines(
    text: str, line: int, key: str, first: int, tmp_path: Path
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_yaml(path)
    assert str(refused.value) == (
        f"{path} can't be read as YAML: line {line}: the key {key} stands in line {first} already; "
        "keep one of the two"
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a: {x: 1}\nb: {x: 1}\nx: 1\n", {"a": {"x": 1}, "b": {"x": 1}, "x": 1}),
        ("a: {a: {a: 1}}\n", {"a": {"a": {"a": 1}}}),
        ("- {x: 1}\n- {x: 2}\n", [{"x": 1}, {"x": 2}]),
        ("1: a\n'1': b\n", {1: "a", "1": "b"}),
        # YAML's merge: what stands in the mapping itself counts.
        ("a: {<<: {x: 1, y: 1}, x: 2}\n", {"a": {"x": 2, "y": 1}}),
    ],
)
def test_a_key_may_stand_in_several_mappings(text: str, values: object, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_yaml(path) == values
