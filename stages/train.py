"""Train a model on normal wells: `python -m stages.train MODEL`."""

import argparse
from pathlib import Path

import pandas as pd

from stages.common.errors import run
from stages.common.files import read_arrays, write_text
from stages.common.params import load_params
from stages.wells import networks, training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=networks.NETWORKS)
    model = parser.parse_args().model

    params = load_params()
    device = training.choose_device(params.train.device)
    (images,) = read_arrays(Path("data/wells/train.npz"), "images")
    (holdout,) = read_arrays(Path("data/wells/holdout.npz"), "images")

    settings = {
        "height": params.images.height,
        "width_pixels": params.images.width,
        **getattr(params.models, model).model_dump(),
    }
    network = networks.build(model, settings, params.seed)
    history = training.train(
        network,
        images,
        holdout,
        epochs=params.train.epochs,
        batch_size=params.train.batch_size,
        learning_rate=params.train.learning_rate,
        seed=params.seed,
        device=device,
    )

    folder = Path("models") / model
    networks.save(network, model, settings, folder / "network.safetensors")
    write_text(folder / "history.csv", pd.DataFrame(history).to_csv(index=False))


if __name__ == "__main__":
    run(main)
