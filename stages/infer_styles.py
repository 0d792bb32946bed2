"""Infer the styles of held-out avatars by Bayes' formula: `python -m stages.infer_styles`."""

from stages.bayes.avatar_plots import save_calibration, save_posterior
from stages.bayes.avatars import load_avatars
from stages.bayes.generators.styled import Styled, style_codes
from stages.bayes.inference import (
    choose_examples,
    choose_metrics,
    infer_styles,
    judge_inference,
    marginals,
)
from stages.bayes.params import AvatarParams, StyleParams
from stages.bayes.styles import fit_styles, load_counts
from stages.common import paths
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import Section, load_params


class Params(Section):
    styles: StyleParams
    avatars: AvatarParams


def main() -> None:
    params = load_params(Params)
    model = fit_styles(load_counts(paths.STYLE_COUNTS), params.styles.smoothing)
    training, holdout = map(load_avatars, paths.AVATAR_PARTS)
    styled = Styled.fit(training, model, params.avatars.smoothing)
    inference = infer_styles(styled, training.avatars, holdout.avatars)

    report, curves = judge_inference(inference, model, style_codes(holdout, model))
    write_json(paths.REPORTS / "inference.json", report)
    write_json(paths.METRICS / "inference.json", choose_metrics(report))
    folder = paths.PLOTS / "style_inference"
    save_calibration(curves, folder / "calibration.png")
    for name, chosen in choose_examples(inference.weighed).items():
        probabilities = marginals(model, inference.weighed[chosen])
        truth = dict(zip(model.values, holdout.styles[chosen], strict=True))
        save_posterior(holdout.avatars[chosen], probabilities, truth, folder / f"{name}.png")


if __name__ == "__main__":
    run(main)
