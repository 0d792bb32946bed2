"""The order of tests."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the module that takes longest, beside which another process runs the others."""
    items.sort(key=lambda item: item.path.name != "test_rebuild.py")
