"""Fetch the wells, from wherever they are, as one canonical archive."""

from pathlib import Path

from stages.common.errors import run
from stages.common.params import load_params
from stages.wells.fetch import fetch_archive

ARCHIVE = Path("data/raw/wells.zip")


def main() -> None:
    fetch_archive(load_params().dataset.source, ARCHIVE)


if __name__ == "__main__":
    run(main)
