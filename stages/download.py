"""Fetch the wells, from wherever they are, as one canonical archive."""

import sys

from stages.common import paths
from stages.common.errors import run
from stages.common.files import sha256_of
from stages.common.params import Section, load_params
from stages.wells.data.archive import KNOWN_SHA256, has_known_spills
from stages.wells.data.fetch import fetch_archive, is_synthetic
from stages.wells.data.params import DatasetParams


class Params(Section):
    dataset: DatasetParams


def main() -> None:
    params = load_params(Params)
    source, additions = params.dataset.source, params.dataset.additions
    fetch_archive(source, paths.ARCHIVE, params.dataset.known, additions)
    sha256 = sha256_of(paths.ARCHIVE)
    if sha256 != KNOWN_SHA256 and not (is_synthetic(source) or additions):
        print(
            f"warning: {paths.ARCHIVE} has sha256 {sha256}, not that of the known copy: metrics "
            "will differ from the committed ones",
            file=sys.stderr,
        )
    if not has_known_spills(paths.ARCHIVE):
        print(
            f"warning: {paths.ARCHIVE} holds no known spill (proliv/ is missing or empty in the "
            "source): only the rule `sigma` can place a threshold",
            file=sys.stderr,
        )


if __name__ == "__main__":
    run(main)
