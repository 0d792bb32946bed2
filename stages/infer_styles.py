"""Infer the styles of held-out avatars by Bayes' formula: `python -m stages.infer_styles`."""

from stages.bayes import inference
from stages.bayes.avatars import load_avatars
from stages.bayes.generators.styled import Styled, style_codes
from stages.bayes.guesses import save_guesses
from stages.bayes.params import FitParams
from stages.bayes.plots import save_calibration
from stages.bayes.styles import load_styles
from stages.common import paths
from stages.common.errors import run
from stages.common.files import write_json
from stages.common.params import load_params


def main() -> None:
    params = load_params(FitParams)
    model = load_styles(params.styles.smoothing)
    training, holdout = map(load_avatars, paths.AVATAR_PARTS)
    styled = Styled.fit(training, model, params.avatars.smoothing)
    weight, inferred = inference.infer_styles(
        styled, training.avatars, holdout.avatars, params.avatars.smoothing
    )

    judged, groups = inference.judge_inference(inferred, model, style_codes(holdout, model))
    report = {"weight_of_evidence": weight, **judged}
    write_json(paths.REPORTS / "inference.json", report)
    write_json(paths.METRICS / "inference.json", inference.choose_metrics(report))
    folder = paths.PLOTS / "style_inference"
    save_calibration(groups, report, folder / "calibration.png")
    save_guesses(inferred[inference.JOINED], holdout, model, folder / "inferred.png")


if __name__ == "__main__":
    run(main)
