"""Infer the styles of held-out avatars by Bayes' formula: `python -m stages.infer_styles`."""

import numpy as np

from stages.bayes import inference
from stages.bayes.avatars import load_avatars
from stages.bayes.generators.styled import Styled, style_codes
from stages.bayes.params import FitParams
from stages.bayes.plots import save_calibration, save_posterior
from stages.bayes.styles import load_styles, marginals
from stages.common import paths
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import load_params


def main() -> None:
    params = load_params(FitParams)
    model = load_styles(params.styles.smoothing)
    training, holdout = map(load_avatars, paths.AVATAR_PARTS)
    styled = Styled.fit(training, model, params.avatars.smoothing)
    weight, inferred = inference.infer_styles(styled, training.avatars, holdout.avatars)

    report, curves = inference.judge_inference(inferred, model, style_codes(holdout, model))
    write_json(paths.REPORTS / "inference.json", {"weight_of_evidence": weight, **report})
    write_json(paths.METRICS / "inference.json", inference.choose_metrics(report))
    weighed, folder = inferred["weighed"], paths.PLOTS / "style_inference"
    save_calibration(curves, folder / "calibration.png")
    for name, chosen in inference.choose_examples(weighed).items():
        probabilities = marginals(model, np.exp(weighed[chosen]))
        truth = dict(zip(model.values, holdout.styles[chosen], strict=True))
        save_posterior(holdout.avatars[chosen], probabilities, truth, folder / f"{name}.png")


if __name__ == "__main__":
    run(main)
