"""Infer the styles of held-out avatars by Bayes' formula: `python -m stages.infer_styles`."""

from pathlib import Path
from typing import Any

import numpy as np

from stages.bayes import inference
from stages.bayes.avatar_figures import save_calibration, save_posterior
from stages.bayes.avatars import load_avatars
from stages.bayes.styled import Styled, style_codes
from stages.bayes.styles import fit_styles, joint, load_counts
from stages.common.errors import InputError, run
from stages.common.files import write_json
from stages.common.params import load_params

COUNTS, AVATARS, PLOTS = Path("data/styles.yaml"), Path("data/avatars"), Path("plots/inference")


def main() -> None:
    params = load_params()
    model = fit_styles(load_counts(COUNTS), params.styles.smoothing)
    training = load_avatars(AVATARS / "train.npz")
    holdout = load_avatars(AVATARS / "holdout.npz")
    styled = Styled.fit(training, model, params.avatars.smoothing)
    if not len(holdout.avatars):
        raise InputError("no avatars are held out, so there is nothing to infer styles of")

    prior = joint(model)
    known = inference.places_in_table(styled.codes, prior)
    codes = style_codes(holdout, model)
    truth = inference.places_in_table(codes, prior)
    weight = inference.best_weight(
        prior, inference.log_evidence_from_others(styled, training.avatars), known
    )
    evidence = inference.log_evidence(styled, holdout.avatars)

    metrics: dict[str, Any] = {"weight_of_evidence": weight}
    curves = {}
    for name, power in (("weighed", weight), ("unweighed", 1.0)):
        logs = inference.posterior(prior, evidence, power)
        metrics[name], curves[name] = inference.judged(logs, truth)
        metrics[name]["attributes"] = {
            attribute: inference.judged(table, codes[:, axis])[0]
            for axis, (attribute, table) in enumerate(
                zip(model.values, inference.log_marginals(prior.shape, logs), strict=True)
            )
        }
    write_json(Path("metrics/inference.json"), metrics)
    save_calibration(curves, PLOTS / "calibration.png")

    logs = inference.posterior(prior, evidence, weight)
    surest_last = np.argsort(logs.max(axis=1))
    for name, chosen in (("doubtful", surest_last[0]), ("typical", surest_last[len(logs) // 2])):
        tables = {
            attribute: dict(zip(values, np.exp(table[0]), strict=True))
            for (attribute, values), table in zip(
                model.values.items(),
                inference.log_marginals(prior.shape, logs[[chosen]]),
                strict=True,
            )
        }
        true = dict(zip(model.values, holdout.styles[chosen], strict=True))
        save_posterior(holdout.avatars[chosen], tables, true, PLOTS / f"{name}.png")


if __name__ == "__main__":
    run(main)
