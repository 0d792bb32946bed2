"""What the extra needs is pinned, and contradicts no other pin."""

from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.clones import ROOT


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pinned = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(package): pin for package, pin in pinned}


def test_no_pin_contradicts_another() -> None:
    bulk, tests = pins("requirements-bulk.txt"), pins("requirements-bulk-dev.txt")
    small, everything = pins("requirements-classify.txt"), pins("requirements.txt")
    assert {"fsspec", "ray", "s3fs"} <= set(bulk)
    assert {"flask", "flask-cors", "moto"} <= set(tests)
    assert not set(bulk) & set(small)
    for pinned in (bulk, tests):
        assert {name: everything.get(name, pin) for name, pin in pinned.items()} == pinned


def test_the_default_installation_has_nothing_of_it() -> None:
    heavy = {"ray", "s3fs", "aiobotocore", "botocore", "boto3", "moto"}
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-classify.txt"):
        assert not heavy & set(pins(name))


def test_what_it_needs_is_pinned() -> None:
    pytest.importorskip("ray", reason="ray is missing: requirements-bulk.txt")
    pytest.importorskip("s3fs", reason="s3fs is missing: requirements-bulk.txt")
    bulk = pins("requirements-bulk.txt")
    for name, pin in bulk.items():
        assert metadata.version(name) == pin
    needed = {
        canonicalize_name(one.name)
        for name in bulk
        for one in map(Requirement, metadata.requires(name) or [])
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }
    assert needed <= bulk.keys() | pins("requirements-classify.txt").keys()
