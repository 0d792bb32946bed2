"""What lies at URLs, by fsspec, which is imported only then; local paths need none of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stages.common.errors import InputError

REQUIREMENTS = "requirements-bulk.txt"


def is_url(place: str) -> bool:
    """Tell a URL from a local path."""
    return "://" in place


def at(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path in it.

    Raises InputError where its client isn't installed or can't be made, or fsspec doesn't know it.
    """
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(url)
    except ImportError as error:
        raise InputError(
            f"{url} needs a package that isn't installed ({error}): "
            f"`python -m pip install -r {REQUIREMENTS}` brings fsspec and S3's client, no other"
        ) from None
    except Exception as error:
        # Some clients connect as they are made.
        raise InputError(f"{url}: {_reason(error)}") from None
    return system, path


@contextmanager
def explaining(what: str) -> Iterator[None]:
    """Turn whatever a storage's client raises into InputError: `what`, and why."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # The clients' exceptions have no base of their own.
        raise InputError(f"{what} ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
