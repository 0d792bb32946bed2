"""Measure generators of avatars and show them side by side: `python -m stages.measure_avatars`."""

from stages.bayes import avatar_metrics
from stages.bayes.avatars import load_avatars
from stages.bayes.drawing import DRAWN
from stages.bayes.gallery import COLUMNS, save_comparison
from stages.bayes.generators.registry import GENERATORS
from stages.bayes.params import DrawParams
from stages.bayes.samples import draw_samples
from stages.bayes.styles import load_styles
from stages.common import paths
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import load_params

SAMPLE = 100


def main() -> None:
    params = load_params(DrawParams)
    model = load_styles(params.styles.smoothing)
    training, holdout = map(load_avatars, paths.AVATAR_PARTS)
    one_picture_a_style = params.avatars.source == DRAWN and not params.avatars.varied
    seeds, smoothing = range(params.seed, params.seed + SAMPLE), params.avatars.smoothing

    report = {avatar_metrics.SOURCE: avatar_metrics.measure_source(training, holdout)}
    shown = {}
    for name in params.avatars.generators:
        generator = GENERATORS[name].fit(training, model, smoothing)
        sample = draw_samples(generator, seeds)
        report[name] = avatar_metrics.measure_sample(sample, training.avatars)
        report[name] |= avatar_metrics.measure_holdout(
            generator, training.avatars, holdout.avatars, smoothing, GENERATORS[name].symbol
        )
        if one_picture_a_style:
            report[name] |= avatar_metrics.measure_fidelity(sample, training.avatars, model)
        shown[name] = sample[:COLUMNS]
    write_json(paths.REPORTS / "avatars.json", report)
    write_json(paths.METRICS / "avatars.json", avatar_metrics.choose_metrics(report))
    drawn = {name: report[name] for name in shown}
    save_comparison(training.avatars, shown, drawn, paths.PLOTS / "random_avatars/compared.png")


if __name__ == "__main__":
    run(main)
