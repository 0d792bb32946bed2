"""Map the networks' latent spaces and find clusters in them: `python -m stages.map_latent`."""

from stages.common import paths
from stages.common.errors import run
from stages.common.files import read_arrays, write_json
from stages.common.params import Section, Seed, load_params
from stages.wells.latent import shown
from stages.wells.latent.params import LatentParams
from stages.wells.latent.report import report_network
from stages.wells.networks import registry

# Of each network's members, which see the same world, the one whose latent is shown.
SHOWN_MEMBER = 0


class Params(Section):
    seed: Seed
    latent: LatentParams


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    images, folds = read_arrays(paths.WELLS / "train.npz", "images", "folds")
    train, holdout = images[folds != SHOWN_MEMBER], images[folds == SHOWN_MEMBER]
    (spills,) = read_arrays(paths.WELLS / "spills.npz", "images")
    test, labels, distinct = read_arrays(paths.WELLS / "test.npz", "images", "labels", "distinct")
    photos = shown.choose_shown(
        {
            shown.TRAIN: train,
            shown.HOLDOUT: holdout,
            shown.TEST_NORMAL: test[~labels & distinct],
            shown.KNOWN_SPILL: spills,
            shown.TEST_SPILL: test[labels & distinct],
        }
    )
    metrics = {}
    for name, members in registry.load_all(registry.NETWORKS).items():
        network, folder = members[SHOWN_MEMBER], paths.PLOTS / "latent" / name
        count = params.latent.clusters
        metrics[name] = report_network(name, network, photos, train, count, params.seed, folder)
    write_json(paths.REPORTS / "latent.json", metrics)


if __name__ == "__main__":
    run(main)
