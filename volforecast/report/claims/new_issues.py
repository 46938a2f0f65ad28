"""What the paper says of its forecasts from the 50th day on (section 6.1), as statements that tables can answer."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import Final

from volforecast.evaluation.order import ALL, NAIVE
from volforecast.report.claims.counts import (
    Statement,
    above,
    below,
    best_in_periods,
    gains_more,
    in_periods,
    leads,
    more_included,
    most_included,
    pairwise,
    period_reduction,
    reduction,
    starred,
    unstarred,
    within,
)
from volforecast.report.claims.lookups import EXT, KINDS, MODELS, RATES, STD, Pair, counterparts, extended, named

TO: Final = named(["TO"])
NP: Final = named(["NP"])
MTL: Final = named(RATES)
BEST: Final = "MTL-75 XGB-EXT"
HAR: Final = "TO HAR-STD"


def each(first: Sequence[str], second: Sequence[str]) -> list[Pair]:
    """All pairs of two different models."""
    return [(one, other) for one, other in product(first, second) if one != other]


def _groups(kind: str) -> list[list[str]]:
    return [[f"{approach} {kind}-STD", f"{approach} {kind}-EXT"] for approach in ("TO", "NP")]


_BEST_MODELS = [
    Statement(
        f"{BEST} is at or below every other model over all days (tables 8-11)",
        pairwise(each([BEST], MODELS), lambda ratio: ratio <= 1.0, targets=lambda ratio: ratio <= 1.0),
    ),
    Statement(
        f"{BEST} beats NF and every TO model for most targets by the Diebold-Mariano test (tables 8-11)",
        starred(each([BEST], [NAIVE, *TO])),
    ),
    Statement(
        f"{BEST}: MSE 15.4% below {HAR} (table 9)",
        reduction([(BEST, HAR)], {"MSE": 0.154}),
    ),
    Statement(
        f"MTL-50 and MTL-75 XGB-EXT: MAE 14.5% below {HAR} (table 11)",
        reduction(each([BEST, "MTL-50 XGB-EXT"], [HAR]), {"MAE": 0.145}),
    ),
    Statement("MTL-75 FNN-EXT: MSE 33.2% below NF (table 9)", reduction([("MTL-75 FNN-EXT", NAIVE)], {"MSE": 0.332})),
    Statement(
        "MTL-50 and MTL-75 XGB-EXT: MAE 17.4% below NF (table 11)",
        reduction(each([BEST, "MTL-50 XGB-EXT"], [NAIVE]), {"MAE": 0.174}),
    ),
    Statement(
        f"MTL-75 FNN-EXT has the smallest MSE of all models relative to NF, {BEST} the smallest MAE (tables 9, 11)",
        leads([("MSE", "MTL-75 FNN-EXT"), ("MAE", BEST)]),
    ),
]

_TRANSFER = [
    Statement("MTL beats NF, every class, predictor set and rate (tables 8-11)", below(each(MTL, [NAIVE]))),
    Statement("MTL beats TO of the same class and predictors (tables 8-11)", below(counterparts(RATES, "TO"))),
    Statement("every MTL model beats every TO model (tables 8-11)", below(each(MTL, TO))),
    Statement("MTL beats NF for most targets by the Diebold-Mariano test (tables 8-11)", starred(each(MTL, [NAIVE]))),
    Statement(
        "the test prefers MTL to single TO models, by MAE, in most pairs (tables 10, 11)",
        starred(each(MTL, TO), ["MAE"]),
        most=True,
    ),
    Statement(
        "the test prefers MTL EXT to single TO models, by MSE, in most pairs (table 9)",
        starred(each(named(RATES, EXT), TO), ["MSE"]),
        most=True,
    ),
    Statement("MTL EXT beats NP EXT of the same class (tables 9, 11)", below(counterparts(RATES, "NP", EXT))),
    Statement(
        "MTL STD beats NP STD of the same class, in most pairs (tables 8, 10)",
        below(counterparts(RATES, "NP", STD)),
        most=True,
    ),
    Statement(
        "the test cannot tell MTL from NP for most targets, in most pairs (tables 8-11)",
        unstarred(each(MTL, NP)),
        most=True,
    ),
]

_EXTENDED = [
    Statement("EXT improves MTL, in most pairs (tables 9, 11)", below(extended(RATES)), most=True),
    Statement(
        "EXT improves MTL XGB by up to 12% by MSE (table 9)",
        reduction(extended(RATES, ["XGB"]), {"MSE": 0.12}),
    ),
    Statement(
        "EXT improves MTL HAR and FNN by a few per cent (0 to 5%), in most pairs (tables 9, 11)",
        pairwise(extended(RATES, ["HAR", "FNN"]), lambda ratio: 0.95 <= ratio < 1.0),
        most=True,
    ),
    Statement(
        "EXT improves MTL XGB more than MTL HAR and FNN of the same rate (tables 9, 11)",
        gains_more(extended(RATES, ["XGB"]), extended(RATES, ["HAR", "FNN"])),
    ),
    Statement(
        "MTL XGB-EXT beats MTL HAR-EXT and FNN-EXT, in most pairs (tables 9, 11)",
        below(each(named(RATES, ["XGB-EXT"]), named(RATES, ["HAR-EXT", "FNN-EXT"]))),
        most=True,
    ),
    Statement(
        "MTL FNN-EXT beats MTL HAR-EXT, in most pairs (tables 9, 11)",
        below(each(named(RATES, ["FNN-EXT"]), named(RATES, ["HAR-EXT"]))),
        most=True,
    ),
]

_RATES = [
    Statement(
        "the three inclusion rates differ by less than 5%, in most pairs (tables 8-11)",
        within([(f"{b} {kind}", f"{a} {kind}") for kind in KINDS for a, b in combinations(RATES, 2)]),
        most=True,
    ),
    Statement(
        "more source data lowers the MSE: MTL-75 beats MTL-25, in most pairs (tables 8, 9)",
        below(counterparts(["MTL-75"], "MTL-25"), ["MSE"]),
        most=True,
    ),
    Statement(
        "MTL-50 has a smaller MAE than MTL-25 and MTL-75, in most pairs (tables 10, 11)",
        below([pair for rate in ("MTL-25", "MTL-75") for pair in counterparts(["MTL-50"], rate)], ["MAE"]),
        most=True,
    ),
]

_PERIODS = [
    Statement("MTL beats NF in every sample period (table 3)", in_periods(each(MTL, [NAIVE]))),
    Statement("an MTL model is the best one of every sample period (table 3)", best_in_periods(MTL)),
    Statement(
        "the best MTL models of s = 50: MSE 44.2%, MAE 23.2% below NF (table 3)",
        period_reduction(MTL, "50", {"MSE": 0.442, "MAE": 0.232}),
    ),
    Statement(
        "NP beats TO in single periods, in most pairs (table 3)", in_periods(counterparts(["NP"], "TO")), most=True
    ),
    Statement(
        "MTL beats NP in single periods, in most pairs (table 3)", in_periods(counterparts(RATES, "NP")), most=True
    ),
    Statement(
        "soon after the listing (s = 50) MTL beats TO and NP (table 3)",
        in_periods([*counterparts(RATES, "TO"), *counterparts(RATES, "NP")], ["50"]),
    ),
    Statement(
        "and it still does with a longer history (s = 450) (table 3)",
        in_periods([*counterparts(RATES, "TO"), *counterparts(RATES, "NP")], ["450"]),
    ),
]

_SETS = [
    Statement(
        f"all days: {BEST} is in more confidence sets than any other model by MSE, MTL-50 XGB-EXT by MAE (table 4)",
        most_included([("MSE", BEST), ("MAE", "MTL-50 XGB-EXT")], ALL),
    ),
    Statement(
        f"single periods: {BEST} is in more sets than any other model by MSE, MTL-25 XGB-EXT by MAE (table 4)",
        most_included([("MSE", BEST), ("MAE", "MTL-25 XGB-EXT")]),
    ),
    Statement(
        "MTL EXT models are in more sets than TO and NP models, in most pairs (table 4)",
        more_included([[model] for model in named(RATES, EXT)], [[model] for model in (*TO, *NP)], ("MSE", "MAE")),
        most=True,
    ),
    Statement(
        "NP HAR is in fewer sets than TO HAR (table 4)",
        more_included(_groups("HAR")[:1], _groups("HAR")[1:], ("MSE", "MAE")),
    ),
    Statement(
        "NP XGB is in more sets than TO XGB (table 4)",
        more_included(_groups("XGB")[1:], _groups("XGB")[:1], ("MSE", "MAE")),
    ),
    Statement(
        "TO HAR-EXT and FNN-EXT are in more sets by MSE than any TO STD model of these classes (table 4)",
        more_included([["TO HAR-EXT"], ["TO FNN-EXT"]], [["TO HAR-STD"], ["TO FNN-STD"]], ("MSE",)),
    ),
]

_OTHERS = [
    Statement("NP beats NF (tables 8-11)", below(each(NP, [NAIVE]))),
    Statement(
        "the test prefers NP to NF for most targets, for most models (tables 8-11)",
        starred(each(NP, [NAIVE])),
        most=True,
    ),
    Statement(
        "NP HAR and XGB beat their TO counterparts (tables 8-11)",
        below(counterparts(["NP"], "TO", [kind for kind in KINDS if not kind.startswith("FNN")])),
    ),
    Statement(
        "NP XGB-EXT: MSE 25.1% below TO XGB-EXT (table 9)", reduction([("NP XGB-EXT", "TO XGB-EXT")], {"MSE": 0.251})
    ),
    Statement("NP FNN-EXT is worse than TO FNN-EXT (tables 9, 11)", above([("NP FNN-EXT", "TO FNN-EXT")])),
    Statement(
        "EXT makes NP HAR and FNN worse than STD (tables 9, 11)",
        above(extended(["NP"], ["HAR", "FNN"])),
    ),
    Statement("EXT makes NP XGB better than STD (tables 9, 11)", below(extended(["NP"], ["XGB"]))),
    Statement(f"{HAR} beats NF and all other TO models (tables 8-11)", below(each([HAR], [NAIVE, *TO]))),
    Statement(
        "TO HAR-STD and FNN-STD beat NF and their EXT counterparts (tables 8-11)",
        below(
            [
                pair
                for name in ("HAR", "FNN")
                for pair in ((f"TO {name}-STD", NAIVE), (f"TO {name}-STD", f"TO {name}-EXT"))
            ]
        ),
    ),
    Statement(
        "TO HAR-EXT and FNN-EXT fail on 50 days of data: above NF and STD at s = 50 (table 3)",
        in_periods(
            [(better, f"TO {name}-EXT") for name in ("HAR", "FNN") for better in (NAIVE, f"TO {name}-STD")],
            ["50"],
        ),
    ),
    Statement("TO XGB-EXT is on a par with TO XGB-STD, within 5% (tables 9, 11)", within(extended(["TO"], ["XGB"]))),
    Statement("TO XGB does not beat NF (tables 8-11)", above(each(named(["TO"], ["XGB-STD", "XGB-EXT"]), [NAIVE]))),
]

NEW_ISSUES: Final = (*_BEST_MODELS, *_TRANSFER, *_EXTENDED, *_RATES, *_PERIODS, *_SETS, *_OTHERS)
