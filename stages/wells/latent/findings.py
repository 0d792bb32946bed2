"""What each picture of a latent space shows, as a sentence: its title."""

from stages.common.types import FloatArray, Indices, Marks
from stages.wells.latent.clusters import pure_clusters, spills_in_pure_clusters
from stages.wells.networks.registry import name_of

# Of spills in a cluster, for it to count as one of spills.
PURITY = 0.9


def on_neighbours(network: str, nearest: Indices, spills: Marks) -> str:
    """Return how many spills lie next to another; nearest: the photo next to each, `[N]`."""
    name = name_of(network)
    if not spills.any():
        return f"What looks alike to {name} lies side by side"
    alike = int(spills[nearest][spills].sum())
    return f"To {name}, {alike:,} of {spills.sum():,} spills look most like another spill"


def on_components(network: str, shares: FloatArray) -> str:
    """Return what part of the variance the first two components hold; shares: of each, `[K]`."""
    whose = f"{name_of(network)}'s latents"
    return f"Two components show {100 * shares[:2].sum():.0f} % of how {whose} vary"


def on_clusters(network: str, clusters: Indices, spills: Marks) -> str:
    """Return how many clusters are of spills, and how many spills they hold."""
    whose = f"{name_of(network)}'s {clusters.max() + 1} clusters"
    pure = int(pure_clusters(clusters, spills, PURITY).sum())
    if not pure:
        return f"None of {whose} is one of spills"
    share = 100 * spills_in_pure_clusters(clusters, spills, PURITY)
    holds = "holds" if pure == 1 else "hold"
    return f"{pure} of {whose} {holds} {share:.0f} % of all spills and little else"


def on_places(network: str, position_share: float) -> str:
    """Return what part of a memory's queries place explains."""
    whose = f"{name_of(network)}'s queries"
    return f"Place explains {100 * position_share:.0f} % of the variance of {whose}"
