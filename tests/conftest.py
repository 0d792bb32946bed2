"""The order of tests, and what all that they start inherits."""

import signal

import pytest

# Before anything imports torch: it settles how all compute.
import stages  # noqa: F401

# The modules that take longest, from the longest: beside them other processes run the short ones.
LONGEST = [
    *("test_rebuild.py", "test_faults.py", "test_onnx_file.py", "test_sweep.py"),
    *("test_sharing.py", "test_growth.py", "test_review.py", "test_development.py"),
]

# What a shell starts in the background ignores an interrupt, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules, so that none is left to a single process at the end."""
    items.sort(
        key=lambda item: (
            LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)
        )
    )
