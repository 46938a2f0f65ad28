"""What Darracq Paries et al. (2025) say of mixtures and other models, as statements that tables can answer."""

from functools import cache
from typing import Final

import pandas as pd

from volforecast.evaluation.hourly_order import (
    FLEXIBLE_HAR,
    FLEXIBLE_HARX,
    GARCH,
    GCT_TM_G,
    HAR,
    HARX,
    IG_TM,
    LSTM,
    LSTM_GARCH,
    SXGB,
    SXGB_GARCH,
    SXGB_GCT,
    TABLE_2,
    TM_G,
    TM_SG,
    XGB_GCT,
)
from volforecast.report import paper_bitcoin
from volforecast.report.claims.bitcoin_counts import (
    best_of,
    causes,
    counted,
    gate,
    near_the_best,
    none_beats_har,
    not_better,
    ratios,
    rejects,
    remembers,
    sees_spikes,
    unstable,
)
from volforecast.report.claims.counts import Count, Statement
from volforecast.report.claims.lookups import Tables
from volforecast.report.claims.verdicts import Claim, verdict

PAR: Final = 0.05
"""RMSEs that differ by no more than this share are on par."""
DOMINANT: Final = 0.8
"""A mean gate weight above it dominates overwhelmingly."""
ERRATIC: Final = 2.0
"""An RMSE so many times that of its sibling is an outlier."""

_UNIVARIATE = [(HAR, HARX), (FLEXIBLE_HAR, FLEXIBLE_HARX)]
_MULTIVARIATE = [(other, one) for one, other in _UNIVARIATE]
_SENTIMENT = [(TM_SG, TM_G), (SXGB_GCT, XGB_GCT)]
_MIXTURES = (TM_G, GCT_TM_G, TM_SG)


@cache
def _ranges() -> dict[str, tuple[int, int]]:
    return {str(row.cause): (int(str(row.first)), int(str(row.last))) for row in paper_bitcoin.granger().itertuples()}


def _named(cause: str, lag: int) -> bool | None:
    """The five features at the first lag."""
    return True if cause in _ranges() and lag == 1 else None


def _in_range(cause: str, lag: int) -> bool | None:
    """The five features at every lag."""
    if cause not in _ranges():
        return None
    first, last = _ranges()[cause]
    return first <= lag <= last


def _unnamed(cause: str, lag: int) -> bool | None:
    """All other features."""
    return None if cause in _ranges() or cause in paper_bitcoin.SENTIMENT else False


def _sentiment(cause: str, lag: int) -> bool | None:
    """The two sentiment series at every lag."""
    return lag <= paper_bitcoin.SENTIMENT[cause] if cause in paper_bitcoin.SENTIMENT else None


_DATA = [
    Statement("the ADF test rejects a unit root in hourly volatility at 5% (statistical tests)", rejects("ADF")),
    Statement("the KPSS test rejects stationarity as well (statistical tests)", rejects("KPSS")),
    Statement(
        "ask depth, bid depth, bid volume, spread and volume difference Granger-cause volatility at lag 1",
        causes(_named),
    ),
    Statement(
        "they do so at lags 1\N{EN DASH}30, 1\N{EN DASH}9, 1\N{EN DASH}30, 1\N{EN DASH}8 and 1\N{EN DASH}30 alone "
        "(each feature and lag counts)",
        causes(_in_range),
    ),
    Statement(
        "the other features do not, at any lag (each feature and lag counts)",
        causes(_unnamed),
        stated="only a subset of features does (statistical tests)",
    ),
    Statement(
        "aggregate sentiment Granger-causes volatility up to lag 2, the orthogonal part of Fear & Greed up to lag 19 "
        "(each series and lag counts)",
        causes(_sentiment),
    ),
    Statement(
        "volatility is autocorrelated up to lag 5 (testing procedure)",
        remembers(range(1, paper_bitcoin.AUTOCORRELATED + 1), True),
    ),
    Statement(
        "beyond lag 5 the autocorrelation is insignificant (hyperparameter tuning)",
        remembers(range(paper_bitcoin.AUTOCORRELATED + 1, paper_bitcoin.LAGS + 1), False),
    ),
]

_FEATURES = [
    Statement(
        "HAR and Flexible HAR are on par with their multivariate counterparts: RMSE no more than 5% larger (table 1)",
        ratios(_UNIVARIATE, lambda ratio: ratio <= 1.0 + PAR),
    ),
    Statement(
        "order-book features make neither HARX(10) nor Flexible HARX(10) better beyond chance (tests at 5%)",
        not_better([(HARX, HAR), *_MULTIVARIATE[1:]]),
        stated="on par or only marginally below (discussion; no tests)",
    ),
    Statement(
        "past volatility is the most reliable predictor: HAR is within 5% of the best model (tables 1 and 2)",
        near_the_best(HAR, PAR),
    ),
    Statement(
        "the advantage of advanced models remains marginal: none is better than HAR beyond chance (tests at 5%)",
        counted(none_beats_har),
        stated="marginal (conclusion; no tests)",
    ),
    Statement(
        "LSTM and the temporal mixtures have larger RMSEs than HAR (table 1)",
        ratios([(LSTM, HAR), *((model, HAR) for model in _MIXTURES)], lambda ratio: ratio > 1.0),
    ),
    Statement(
        "LSTM captures spikes that HAR lags behind: it is nearer in the most volatile hour of an interval",
        sees_spikes(LSTM, HAR),
        stated="one spike (figure 2)",
    ),
]

_MIXED = [
    Statement(
        "past volatility has more than half of the weight that gates give",
        gate(_MIXTURES, 0.5),
        stated="dominates (figure 1)",
    ),
    Statement(
        "it overwhelmingly dominates: more than 80% of the weight",
        gate(_MIXTURES, DOMINANT),
        stated="overwhelmingly (discussion of figure 1)",
    ),
    Statement(
        "features that do not Granger-cause volatility contribute little: TM-G within 5% of GCT TM-G (table 1)",
        ratios([(TM_G, GCT_TM_G)], lambda ratio: abs(ratio - 1.0) <= PAR),
    ),
    Statement(
        "IG-TM is unstable: more than twice the RMSE of TM-G, or without a forecast from some seed",
        unstable(IG_TM, TM_G, ERRATIC),
        stated="discarded: erratic forecasts, outlier RMSEs",
    ),
]

_TREES = [
    Statement("GARCH is worse than HAR (tables 1 and 2)", ratios([(GARCH, HAR)], lambda ratio: ratio > 1.0)),
    Statement(
        "averaging with SXGB or LSTM improves GARCH (table 2)",
        ratios([(SXGB_GARCH, GARCH), (LSTM_GARCH, GARCH)], lambda ratio: ratio < 1.0),
    ),
    Statement(
        "SXGB x GARCH has the smallest RMSE of table 2 in interval 6 (each other model counts)",
        best_of(SXGB_GARCH, [model for model in TABLE_2 if model != SXGB_GARCH], 6),
    ),
    Statement(
        "it is not so consistently: SXGB matches or beats SXGB x GARCH in intervals 4 and 5 (table 2)",
        ratios([(SXGB, SXGB_GARCH)], lambda ratio: ratio <= 1.0, iterations=(4, 5)),
    ),
    Statement(
        "sentiment brings minimal benefit: RMSE no more than 5% below that of the same model without (tables 1 and 2)",
        ratios(_SENTIMENT, lambda ratio: ratio >= 1.0 - PAR),
    ),
    Statement(
        "no model with sentiment is better beyond chance than the same one without (tests at 5%)",
        not_better(_SENTIMENT),
        stated="no consistent improvement (discussion; no tests)",
    ),
]

BITCOIN: Final = (*_DATA, *_FEATURES, *_MIXED, *_TREES)


def bitcoin_claims(tables: Tables) -> pd.DataFrame:
    """All claims of the paper with their verdicts, in its order: the table ``claims``.

    Args:
        tables: The run's tables by name: ``metrics``, ``tests``, ``spikes``, ``gates``, ``granger``, ``diagnostics``,
            ``autocorrelation``; claims that rest on those it lacks are not tested.

    Returns:
        Columns ``text, paper, ours, verdict`` as in :class:`~volforecast.report.claims.verdicts.Claim`; verdicts by the
        rule of that module.
    """
    found = []
    for statement, theirs in zip(BITCOIN, _of_the_paper(), strict=True):
        ours = statement.test(tables)
        there = statement.stated or (theirs.text if theirs else "")
        found.append(Claim(statement.text, there, ours.text if ours else "", verdict(ours)))
    return pd.DataFrame(found, columns=list(Claim._fields))


@cache
def _of_the_paper() -> tuple[Count | None, ...]:
    tables = paper_bitcoin.tables()
    return tuple(statement.test(tables) for statement in BITCOIN)
