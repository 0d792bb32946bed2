"""Train a network on normal wells, once without each fold: `python -m stages.train NETWORK`."""

import argparse

from stages.common import paths
from stages.common.errors import run
from stages.common.files import read_arrays, write_text
from stages.common.params import Section, Seed, load_params
from stages.wells.networks import registry
from stages.wells.networks.params import NetworksParams, TrainParams
from stages.wells.networks.recipe import train_members


class Params(Section):
    seed: Seed
    train: TrainParams
    networks: NetworksParams


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=registry.NETWORKS)
    name = parser.parse_args().network

    params = load_params(Params)
    images, folds = read_arrays(paths.WELLS / "train.npz", "images", "folds")
    trained = train_members(name, params.networks, params.train, images, folds, params.seed)

    folder = paths.NETWORKS / name
    registry.save(trained.members, name, trained.settings, folder / registry.WEIGHTS)
    write_text(folder / registry.HISTORY, trained.history.to_csv(index=False))


if __name__ == "__main__":
    run(main)
