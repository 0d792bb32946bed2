"""Map the latent spaces and find clusters in them: `python -m stages.map_latent MODEL…`."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.common.errors import run
from stages.common.files import read_arrays, write_json
from stages.common.params import load_params
from stages.common.pictures import save_picture
from stages.wells import latent, latent_figures, networks
from stages.wells.figures import gallery
from stages.wells.images import Images
from stages.wells.mnad import Mnad
from stages.wells.splits import spread

DATA, MODELS, PLOTS = Path("data/wells"), Path("models"), Path("plots/latent")
# Images shown of each group; of spills all.
SHOWN = {"train": 800, "held-out normal": 400, "test normal": 800}
QUERY_IMAGES, CLUSTER_COLUMNS = 150, 8
PURITY = 0.9


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", choices=networks.NETWORKS)
    models = parser.parse_args().models

    params = load_params()
    (train,) = read_arrays(DATA / "train.npz", "images")
    (holdout,) = read_arrays(DATA / "holdout.npz", "images")
    (spills,) = read_arrays(DATA / "spills.npz", "images")
    test, labels, distinct = read_arrays(DATA / "test.npz", "images", "labels", "distinct")
    parts = {
        "train": train,
        "held-out normal": holdout,
        "test normal": test[~labels & distinct],
        "known spill": spills,
        "test spill": test[labels & distinct],
    }
    shown = {
        name: part[spread(len(part), SHOWN.get(name, len(part)))] for name, part in parts.items()
    }
    images = np.concatenate(list(shown.values()))
    groups = np.repeat(np.array(list(shown)), [len(part) for part in shown.values()])
    metrics = {
        model: map_model(model, images, groups, train, params.latent.clusters, params.seed)
        for model in models
    }
    write_json(Path("metrics/latent.json"), metrics)


def map_model(
    model: str,
    images: Images,
    groups: NDArray[np.str_],
    train: Images,
    clusters_wanted: int,
    seed: int,
) -> dict[str, Any]:
    """Draw one model's maps, clusters and memory; give its figures."""
    network = networks.load(MODELS / model / "network.safetensors")
    folder = PLOTS / model
    components = latent.principal_components(latent.latents(network, images))
    clusters = latent.find_clusters(components, clusters_wanted, seed)
    planes = {
        "pca": (components[:, :2], "principal component"),
        "tsne": (latent.neighbourhood_map(components, seed), "t-SNE axis"),
    }
    for name, (points, axis_name) in planes.items():
        title = f"{model}: a point an image, by its latent"
        path = folder / f"{name}.png"
        latent_figures.save_map(points, groups, images, title, axis_name, path)
    tiles, captions = latent_figures.cluster_rows(images, clusters, groups, CLUSTER_COLUMNS)
    title = f"{model}: a row a cluster of the latent space, from the largest to the smallest"
    save_picture(gallery(tiles, title, CLUSTER_COLUMNS, captions), folder / "clusters.png")

    spills = np.char.endswith(groups, "spill")
    measured = {
        "silhouette": latent.silhouette(components, clusters),
        "spills_in_pure_clusters": latent.spills_in_pure_clusters(clusters, spills, PURITY),
    }
    if isinstance(network, Mnad):
        some = train[spread(len(train), QUERY_IMAGES)]
        latent_figures.save_queries(*latent.query_plane(network, some), folder / "queries.png")
        measured |= latent.memory_use(network, train)._asdict()
    return measured


if __name__ == "__main__":
    run(main)
