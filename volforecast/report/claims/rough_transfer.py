"""What Dhansoia (2025) says of transfer from the S&P 500 to Bitcoin, as statements that tables can answer."""

from typing import Final

import pandas as pd

from volforecast.evaluation.rough_order import (
    CORRECTION,
    DYNAMIC_ATTENTION,
    GROUPS,
    HAR,
    HYBRID,
    LSTM,
    MOVING_AVERAGE,
    PAPER,
    TRANSFER_LSTM,
    UNFREEZING,
)
from volforecast.report.claims.counts import Statement
from volforecast.report.claims.rough_counts import (
    against_har,
    alphas,
    below,
    counted,
    each_target,
    har_r2,
    hurst,
    hybrid_is_closest,
    improvement_of,
    improves,
    more_volatile,
    rough,
    rougher,
    versus_har,
)
from volforecast.report.paper_rough import ALPHA, SMALL

GAP: Final = 0.51
"""By how many per cent the paper's hybrid is worse than HAR."""
LITTLE: Final = 0.2
"""Methods that correct HAR's errors change its RMSE by less than this, in per cent."""
R2: Final = 0.956
"""What the paper prints of HAR."""


def _worse(rows: pd.DataFrame) -> "pd.Series[bool]":
    return (rows["statistic"] < 0.0) & (rows["p_value"] <= SMALL)


def _not_better(rows: pd.DataFrame) -> "pd.Series[bool]":
    return (rows["statistic"] <= 0.0) | (rows["p_value"] >= 0.05)


_ROUGHNESS = [
    Statement(
        "the Hurst exponent of log volatility is below 0.5 for every asset, by every method (table 1)", hurst(rough)
    ),
    Statement("the target is rougher than the source by every method (table 1)", hurst(rougher)),
    Statement("the target's log volatility is higher and varies more than the source's (table 2)", more_volatile),
]

_TRANSFER = [
    Statement("transfer improves the LSTM's RMSE over training from scratch (table 4)", improves(["RMSE"])),
    Statement("it does so significantly, p < 0.001 (table 4)", improves(["RMSE"], SMALL)),
    Statement("it does so by 10.99% (table 4)", improvement_of(10.99)),
    Statement("transfer improves MAE, with p < 0.05 (table 4)", improves(["MAE"], 0.05)),
    Statement("transfer improves R2 and the correlation (table 4)", improves(["R2", "Correlation"])),
    Statement(
        "LSTM and Transfer LSTM beat the moving average (table 3)",
        below([(LSTM, MOVING_AVERAGE), (TRANSFER_LSTM, MOVING_AVERAGE)]),
    ),
]

_BENCHMARK = [
    Statement(
        "HAR beats the moving average, LSTM and Transfer LSTM (table 3)",
        below([(HAR, model) for model in (MOVING_AVERAGE, LSTM, TRANSFER_LSTM)]),
    ),
    Statement(
        "they are worse than HAR with p < 0.001 (table 6)", against_har([MOVING_AVERAGE, LSTM, TRANSFER_LSTM], _worse)
    ),
    Statement(
        "no model is significantly better than HAR, at 5% (table 6)",
        against_har(PAPER, _not_better, together=True),
    ),
    Statement(
        "HAR's R2 one day ahead is 0.956, within 0.05 (table 3; far above what is published for daily log variance)",
        each_target(har_r2, lambda value: abs(value - R2) <= 0.05),
    ),
]

_ARCHITECTURES = [
    Statement(
        "of the unfreezing strategies and hybrids, the HAR-LSTM Hybrid is closest to HAR or beats it by most (table 5)",
        counted(hybrid_is_closest),
    ),
    Statement(
        "the HAR-LSTM Hybrid's RMSE is no more than 0.51% above HAR's (table 5)",
        versus_har([HYBRID], lambda value: value >= -GAP),
    ),
    Statement(
        "the HAR-LSTM Hybrid does not differ significantly from HAR, at 5% (table 6)",
        against_har([HYBRID], lambda rows: rows["p_value"] >= 0.05),
    ),
    Statement(
        "every other model tested differs significantly from HAR, at 5% (table 6)",
        against_har([name for name in PAPER if name != HYBRID], lambda rows: rows["p_value"] < 0.05, together=True),
    ),
    Statement(
        "the hybrid's weight on HAR is above one half",
        each_target(alphas, lambda value: value > 0.5),
        stated="0.886 (section 5.4)",
    ),
    Statement(
        "the hybrid's weight on HAR is 0.886, within 0.1",
        each_target(alphas, lambda value: abs(value - ALPHA) <= 0.1),
        stated="0.886 (section 5.4)",
    ),
    Statement("Dynamic Attention is worse than the HAR-LSTM Hybrid (table 5)", below([(HYBRID, DYNAMIC_ATTENTION)])),
    Statement(
        "of the unfreezing strategies Aggressive Fine-tune is best and Differential LR worst (table 5)",
        below(list(zip(GROUPS[UNFREEZING][:0:-1], GROUPS[UNFREEZING][-2::-1], strict=True))),
    ),
    Statement(
        "correcting HAR's errors changes its RMSE by less than 0.2% (table 5)",
        versus_har(GROUPS[CORRECTION], lambda value: abs(value) < LITTLE),
    ),
]

ROUGH_TRANSFER: Final = (*_ROUGHNESS, *_TRANSFER, *_BENCHMARK, *_ARCHITECTURES)
