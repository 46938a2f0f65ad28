"""Confidence sets of 31 models by T_R, 5,000 replications: arch's MCS and ours, alone and with shared weights.

    python benchmarks/bench_mcs.py [--rounds 5]

``alone`` draws its own resamples; ``shared`` is any set after the first over as many days, which is what a study makes.
"""

from functools import partial

import numpy as np
from arch.bootstrap import MCS
from rounds import arguments, interleaved, publish, scaled
from threadpoolctl import threadpool_limits

from volforecast.evaluation.confidence_set import model_confidence_set
from volforecast.evaluation.resampling import shared_weights

MODELS, REPLICATIONS = 31, 5000
GOALS = "40, stretch 100"
STUDY = {100: 150, 500: 30}  # confidence sets of ten targets, five periods and all days together, three losses


def losses(days: int) -> np.ndarray:
    """Squared errors of variance forecasts that share most of their error, models getting worse."""
    draw = np.random.default_rng(1)
    realized = np.exp(np.convolve(draw.standard_normal(days + 50), np.ones(50) / 8, "valid")[:days])
    noise = draw.standard_normal((days, 1)) + 0.3 * draw.standard_normal((days, MODELS)) * np.linspace(1, 2, MODELS)
    return (realized[:, None] * np.expm1(0.4 * noise)) ** 2


def main() -> None:
    rounds = arguments(__doc__).parse_args().rounds
    rows, study = [], {"arch": 0.0, "ours": 0.0}
    with threadpool_limits(limits=1):
        for days, sets in STUDY.items():
            sample = losses(days)
            calls = {
                "arch": lambda sample=sample: MCS(sample, 0.05, reps=REPLICATIONS, method="R", seed=1).compute(),
                "alone": lambda sample=sample: model_confidence_set(
                    sample, rng=np.random.default_rng(1), replications=REPLICATIONS
                ),
                "shared": partial(model_confidence_set, sample, weights=shared_weights(days, REPLICATIONS, 1)),
            }
            took = interleaved(calls, rounds)
            for name in ("alone", "shared"):
                ratio = f"{took['arch'] / took[name]:.0f}"
                rows.append([f"T = {days}, {name}", scaled(took["arch"]), scaled(took[name]), ratio, GOALS])
            study["arch"] += sets * took["arch"]
            study["ours"] += (sets - 1) * took["shared"] + took["alone"]
    ratio = f"{study['arch'] / study['ours']:.0f}"
    rows.append(["a study's 180 sets", scaled(study["arch"]), scaled(study["ours"]), ratio, ""])
    publish("mcs", "Model confidence sets", ["sets", "arch", "ours", "ratio", "goal"], rows)


if __name__ == "__main__":
    main()
