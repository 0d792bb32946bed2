"""The graph of stages: complete, honest, fresh, and told rightly in the README."""

import ast
import json
import platform
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from stages.common.params import ModelParams, Params, Section
from stages.wells.networks import NETWORKS

ROOT = Path(__file__).parents[1]
DVC = Path(sys.executable).with_name("dvc")
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
NAMES = sorted(STAGES)
MODELS = STAGES["train"]["matrix"]["model"]


@cache
def imported_by(path: Path) -> frozenset[str]:
    """The modules that a file names in its imports; `from a import b` may name a.b too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(modules)


def own_files(start: Path) -> set[str]:
    """The project's files that a script runs: itself and all it imports, directly or not."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            candidates = [ROOT / f"{name.replace('.', '/')}.py" for name in imported_by(path)]
            candidates += [folder / "__init__.py" for folder in path.parents]
            waiting += [candidate for candidate in candidates if candidate.is_file()]
    return {path.relative_to(ROOT).as_posix() for path in found}


def run_dvc(*arguments: str) -> str:
    """What a DVC command prints; a failure shows its error."""
    done = subprocess.run([DVC, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_code_dependencies_of_a_stage_are_exactly_the_modules_it_runs(name: str) -> None:
    declared = {dep for dep in STAGES[name]["deps"] if dep.endswith(".py")}
    assert declared == own_files(ROOT / "stages" / f"{name}.py")


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_runs_the_script_of_its_name_and_says_what_it_is_for(name: str) -> None:
    assert STAGES[name]["cmd"].startswith(f"python -m stages.{name}")
    assert STAGES[name]["desc"]


class ParameterChains(ast.NodeVisitor):
    """Collects what follows `params.` or `load_params().` in a script."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if match := re.fullmatch(r"(?:params|load_params\(\))\.([\w.]+)", ast.unparse(node)):
            self.found.add(match[1])
        else:
            self.generic_visit(node)


def leaves(chain: str) -> set[str]:
    """The parameters that a chain of attributes reads: one, or a whole section."""
    section: type[Section] = Params
    path: list[str] = []
    for word in chain.split("."):
        if word not in section.model_fields:
            break
        path.append(word)
        annotation = section.model_fields[word].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, Section)):
            return {".".join(path)}
        section = annotation
    # Which model's part is read is an argument of the stage.
    a_part_a_model = section.model_fields.keys() == ModelParams.model_fields.keys()
    below = ["*"] if a_part_a_model else section.model_fields
    return {".".join([*path, name]) for name in below}


def parameters_read(path: Path) -> set[str]:
    chains = ParameterChains()
    chains.visit(ast.parse(path.read_text(encoding="utf-8")))
    return {leaf for chain in chains.found for leaf in leaves(chain)}


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_a_stage_are_exactly_those_its_script_reads(name: str) -> None:
    declared = {key.replace("${item.model}", "*") for key in STAGES[name].get("params", [])}
    assert declared == parameters_read(ROOT / "stages" / f"{name}.py")


@cache
def graph() -> dict[str, tuple[list[str], list[str]]]:
    """Give what every stage depends on and what it writes, by DVC's own reading of dvc.yaml."""
    return {
        stage.addressing: ([str(dep) for dep in stage.deps], [str(out) for out in stage.outs])
        for stage in Repo(str(ROOT)).index.stages
    }


def overlap(one: str, other: str) -> bool:
    """Tell whether two paths are the same, or one lies in the other."""
    return Path(one).is_relative_to(other) or Path(other).is_relative_to(one)


def reached_from(*files: str) -> set[str]:
    """Give the stages that depend on the files, or on what such a stage writes, and so on."""
    waiting, found = list(files), set()
    while waiting:
        file = waiting.pop()
        for name, (deps, outs) in graph().items():
            if name not in found and any(overlap(dep, file) for dep in deps):
                found.add(name)
                waiting += outs
    return found


def test_only_evaluation_and_the_map_can_reach_the_test_set() -> None:
    archive = "data/raw/wells.zip"
    (opening,) = (
        name for name, (deps, _) in graph().items() if any(overlap(d, archive) for d in deps)
    )
    assert opening == "preprocess"
    training = {f"data/wells/{part}.npz" for part in ("train", "holdout", "spills")}
    # What else comes from the archive may tell of the test set.
    telling = set(graph()["preprocess"][1]) - training
    assert "data/wells/test.npz" in telling
    assert reached_from(*telling) == {"evaluate", "map_latent"}


def test_whoever_would_read_the_test_set_in_a_roundabout_way_is_found() -> None:
    assert reached_from("data/styles.yaml") >= {"draw_avatars", "infer_styles"}
    trained = {name for name in graph() if name.startswith(("train", "calibrate"))}
    assert reached_from("data/wells") == trained | {"validate", "evaluate", "map_latent"}


def test_training_is_cached_whole_and_so_comes_back_from_the_run_cache() -> None:
    for name in ("download", "train", "calibrate"):
        assert all(isinstance(out, str) for out in STAGES[name]["outs"])
        assert "metrics" not in STAGES[name]


def test_every_model_goes_through_every_stage() -> None:
    assert list(NETWORKS) == MODELS
    assert STAGES["calibrate"]["matrix"]["model"] == MODELS
    for name in ("validate", "evaluate", "map_latent"):
        assert STAGES[name]["cmd"].split()[3:] == MODELS


def test_training_depends_on_the_pinned_packages() -> None:
    assert "requirements.txt" in STAGES["train"]["deps"]


def test_lock_is_fresh() -> None:
    status = json.loads(run_dvc("status", "--json"))
    stale = [
        (stage, kind, what)
        for stage, changes in status.items()
        for change in changes
        for kind, items in (change.items() if isinstance(change, dict) else [(change, {"": ""})])
        for what in items.items()
        if what[1] not in ("deleted", "not in cache")
    ]
    assert not stale, "run the pipeline and commit dvc.lock, metrics and plots"


def test_readme_shows_the_graph_that_dvc_draws() -> None:
    drawn = run_dvc("dag", "--md").strip()
    assert drawn in (ROOT / "README.md").read_text(encoding="utf-8")


def table_row(name: str, figures: dict[str, Any]) -> str:
    """A row of the README's results, from the figures of a score."""
    cells = [
        f"{figures[rate]:.3f} ({figures[f'{rate}_interval']['low']:.3f} to "
        f"{figures[f'{rate}_interval']['high']:.3f})"
        for rate in ("tpr", "tnr")
    ]
    return f"| {name} | {cells[0]} | {cells[1]} | {figures['auroc']:.3f} |"


def seeds_row(name: str, figures: dict[str, Any]) -> str:
    """A row of the README's results over seeds, from the spread of a score."""
    cells = [
        f"{figures[rate]['mean']:.3f} ± {figures[rate]['std']:.3f} ({figures[rate]['min']:.3f})"
        for rate in ("tpr", "tnr")
    ]
    auroc = f"{figures['auroc']['mean']:.3f} ± {figures['auroc']['std']:.3f}"
    return f"| {name} | {cells[0]} | {cells[1]} | {auroc} |"


def metrics_of(name: str) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((ROOT / f"metrics/{name}.json").read_text())
    return metrics


@pytest.mark.parametrize("model", MODELS)
def test_readme_tells_the_committed_figures(model: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    detection, seeds = metrics_of("detection")[model], metrics_of("seeds")[model]
    for score, figures in detection.items():
        if isinstance(figures, dict):
            assert table_row(f"{model} `{score}`", figures) in readme
            assert seeds_row(f"{model} `{score}`", seeds[score]) in readme


def test_readme_tells_the_committed_figures_of_avatars() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    avatars = metrics_of("avatars")
    for name in yaml.safe_load((ROOT / "params.yaml").read_text())["avatars"]["generators"]:
        found = avatars[name]
        bits = "held_out_bits_per_dimension"
        cells = [
            f"{found['log_probability']:,.1f}",
            f"{found[bits]:.3f} ± {found[f'{bits}_error']:.3f}",
            f"{100 * found['copy_rate']:.0f} %",
            f"{found['nearest_distance']:.3f}",
            f"{found['diversity']:.3f}",
            f"{100 * found['unseen_colours']:.0f} %",
        ]
        assert f"| `{name}` | {' | '.join(cells)} |" in readme
    inferred = metrics_of("inference")
    for figures in (inferred["weighed"], inferred["unweighed"]):
        sure, right = figures["confidence"], figures["accuracy"]
        assert re.search(rf"sure (of the style )?with {sure:.2f} .*\n?.*{right:.2f}", readme)
    assert f"{100 * avatars['style']['style_fidelity']:.1f} %" in readme
    assert f"power of {inferred['weight_of_evidence']:.3f}," in readme


def both(rates: dict[str, Any], figure: str | None = None, between: str = " / ") -> str:
    """Give a true positive and a true negative rate, or a figure of each, as the README does."""
    return between.join(f"{rates[r][figure] if figure else rates[r]:.3f}" for r in ("tpr", "tnr"))


def test_readme_tells_the_committed_figures_in_its_sentences() -> None:
    detection, seeds, latent = map(metrics_of, ("detection", "seeds", "latent"))
    validation, split = metrics_of("validation")["validation"], metrics_of("dataset")["split"]
    best, drawn, spread = detection["best"], validation["autoencoder"], seeds["best"]
    clear, kinds = best["clear_view"], best["kinds"]
    found = {name: round(kind["tpr"] * kind["count"]) for name, kind in kinds.items()}
    alarms = round((1 - best["tnr"]) * metrics_of("dataset")["files"]["test_normal"])
    clear_alarms = round((1 - clear["tnr"]) * clear["normals"])
    pure = [f"{100 * latent[model]['spills_in_pure_clusters']:.0f} %" for model in MODELS]
    assert clear["tpr"] == 1
    sentences = [
        f"It finds {100 * spread['tpr']['mean']:.1f} % of the spills and passes "
        f"{100 * spread['tnr']['mean']:.1f} % of the normal wells (mean of five seeds)",
        f"from {split['holdout']} held-out normals and {split['spills']} known spills",
        f"together reach {both(spread, 'mean')} (TPR / TNR, mean of five seeds) with an AUROC of "
        f"{spread['auroc']['mean']:.3f}",
        f"(AUROC {seeds['autoencoder']['coarse_mse']['auroc']['mean']:.3f})",
        f"`equal_error` gives {both(seeds['autoencoder']['coarse_mse'], 'mean')},",
        f"detector reaches {both(seeds['mnad']['detector'], 'mean')}, without it "
        f"{both(seeds['autoencoder']['detector'], 'mean')}.",
        f"{found['streak']} of {kinds['streak']['count']} streaks of metal and "
        f"{found['empty']} of {kinds['empty']['count']} empty wells",
        f"Of {alarms} false alarms {alarms - clear_alarms} have an obstructed view",
        f"Of the {clear['spills'] + clear['normals']:,} photos whose view is clear, it finds all "
        f"{clear['spills']} spills and raises {clear_alarms} false alarms in {clear['normals']:,} "
        f"normal wells (TNR {clear['tnr']:.3f})",
        f"{both(drawn['detector'])} for `appearance` and `texture` together, "
        f"{both(drawn['appearance'])} and {both(drawn['texture'])} for either alone, "
        f"{both(validation['mnad']['detector'])} with `memory`",
        f"place explains {100 * latent['mnad']['position_share']:.0f} % of the variance",
        f"hold {' and '.join(pure)} of all spills in clusters",
        f"appearance and texture, 32×48, mean of five seeds | {both(spread, 'mean', ' | ')} |",
        f"with its memory, mean of five seeds | {both(seeds['mnad']['detector'], 'mean', ' | ')} |",
        f"over all {metrics_of('styles')['styles']['number']:,} styles",
    ]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert [sentence for sentence in sentences if sentence not in readme] == []


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not an x86 machine")
@pytest.mark.slow
def test_stages_compute_alike_whatever_else_the_machine_could_do() -> None:
    code = (
        "import stages.train, os, torch; "
        "print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads(), "
        "os.environ['MKL_CBWR'], os.environ['ONEDNN_MAX_CPU_ISA'])"
    )
    environment = {"PATH": "", "PYTHONPATH": str(ROOT)}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert printed.split() == ["AVX2", "2", "COMPATIBLE", "AVX2"]


def card_cell(figures: dict[str, Any], rate: str) -> str:
    """A rate in the model card, with its interval."""
    interval = figures[f"{rate}_interval"]
    return f"{figures[rate]:.4f} ({interval['low']:.4f} to {interval['high']:.4f})"


def test_the_model_card_tells_the_committed_figures() -> None:
    card = (ROOT / "docs/detector.md").read_text(encoding="utf-8")
    best, seeds = metrics_of("detection")["best"], metrics_of("seeds")["best"]
    for part in (best, best["distinct"], best["clear_view"]):
        assert f"| {card_cell(part, 'tpr')} | {card_cell(part, 'tnr')} |" in card
    for kind in best["kinds"].values():
        assert f"| {card_cell(kind, 'tpr')} | |" in card
    spread = [f"{seeds[rate]['mean']:.4f} ({seeds[rate]['min']:.4f})" for rate in ("tpr", "tnr")]
    assert f"| {' | '.join(spread)} |" in card
    assert f"scores {best['threshold']:.2f} or more" in card


def test_every_package_that_is_imported_is_declared_and_every_declared_one_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=]", name)[0] for name in project["dependencies"]}
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    assert declared <= pinned
    names = {
        "PIL": "pillow",
        "dicebear": "dicebear-core",
        "resvg_py": "resvg-py",
        "sklearn": "scikit-learn",
        "vl_convert": "vl-convert-python",
        "yaml": "pyyaml",
    }
    files = [path for folder in ("stages", "tools") for path in (ROOT / folder).rglob("*.py")]
    for path in files:
        imported = {name.split(".")[0] for name in imported_by(path)}
        others = imported - set(sys.stdlib_module_names) - {"stages", "tools"}
        # What only serves a review need not be where stages run.
        more = {"vl-convert-python"} if path.parent.name == "tools" else set()
        assert {names.get(name, name) for name in others} <= declared | more, path


def test_the_two_rooms_and_the_common_one_keep_apart() -> None:
    for path in (ROOT / "stages" / "common").glob("*.py"):
        assert not any(
            name.startswith(("stages/wells/", "stages/bayes/")) for name in own_files(path)
        )
    for path in (ROOT / "stages" / "wells").glob("*.py"):
        assert not any(name.startswith("stages/bayes/") for name in own_files(path))
    for path in (ROOT / "stages" / "bayes").glob("*.py"):
        assert not any(name.startswith("stages/wells/") for name in own_files(path))
