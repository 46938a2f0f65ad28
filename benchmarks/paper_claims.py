"""What the paper says of its models, counted in two sets of tables: this run's and the paper's."""

from collections.abc import Mapping, Sequence

import pandas as pd

from volforecast.evaluation.layout import printed
from volforecast.evaluation.order import ALL, NAIVE

Comparison = tuple[Sequence[str], Sequence[str]]
"""Holds if the best of the first models has a smaller error than the best of the second."""

LOSSES = ("MSE", "MAE")
RATES = ("MTL-25", "MTL-50", "MTL-75")
APPROACHES = ("TO", "NP", *RATES)
CLASSES = ("HAR", "FNN", "XGB")
KINDS = tuple(f"{name}-{predictors}" for name in CLASSES for predictors in ("STD", "EXT"))
MODELS = tuple(f"{approach} {kind}" for approach in APPROACHES for kind in KINDS)
BEST = "MTL-75 XGB-EXT"


def approach_claims(kinds: Sequence[str]) -> dict[str, list[Comparison]]:
    """Which approach beats which, within these classes and predictor sets (``HAR-STD``, ...)."""

    def beats(better: Sequence[str], worse: str) -> list[Comparison]:
        return [([f"{approach} {kind}"], [f"{worse} {kind}"]) for kind in kinds for approach in better]

    return {"MTL beats NP": beats(RATES, "NP"), "NP beats TO": beats(["NP"], "TO"), "MTL beats TO": beats(RATES, "TO")}


def all_claims() -> dict[str, list[Comparison]]:
    """All claims by name."""

    def extended(approaches: Sequence[str]) -> list[Comparison]:
        return [([f"{a} {name}-EXT"], [f"{a} {name}-STD"]) for name in CLASSES for a in approaches]

    def boosted(approaches: Sequence[str], sets: Sequence[str]) -> list[Comparison]:
        return [([f"{a} XGB-{p}"], [f"{a} HAR-{p}", f"{a} FNN-{p}"]) for p in sets for a in approaches]

    def best(chosen: Sequence[str]) -> list[Comparison]:
        return [(chosen, [NAIVE, *(model for model in MODELS if model not in chosen)])]

    return approach_claims(KINDS) | {
        "MTL beats NF": [([f"{rate} {kind}"], [NAIVE]) for kind in KINDS for rate in RATES],
        "NP beats NF": [([f"NP {kind}"], [NAIVE]) for kind in KINDS],
        "MTL-75 beats MTL-25": [([f"MTL-75 {kind}"], [f"MTL-25 {kind}"]) for kind in KINDS],
        "EXT beats STD": extended(APPROACHES),
        "EXT beats STD, MTL": extended(RATES),
        "EXT beats STD, NP": extended(["NP"]),
        "EXT beats STD, TO": extended(["TO"]),
        "XGB is the best class": boosted(APPROACHES, ("STD", "EXT")),
        "XGB is the best class, MTL EXT": boosted(RATES, ("EXT",)),
        "an MTL model is the best of all": best([m for m in MODELS if m.startswith("MTL")]),
        "an MTL EXT model is the best of all": best([m for m in MODELS if m.startswith("MTL") and m.endswith("EXT")]),
        f"{BEST} is the best of all": best([BEST]),
    }


def errors(relative: pd.DataFrame) -> pd.DataFrame:
    """Errors relative to NF at the paper's three decimals, models by (period, loss), the naive forecast among them."""
    table = printed(relative, "ratio", LOSSES).round(3)
    table.loc[NAIVE] = 1.0
    return table


def held(comparisons: Sequence[Comparison], table: pd.DataFrame) -> pd.DataFrame:
    """Which comparisons hold in each column of a table of errors; a tie or a missing error does not."""
    rows = [table.loc[list(one)].min(skipna=False) < table.loc[list(other)].min() for one, other in comparisons]
    return pd.DataFrame(rows, columns=table.columns)


def counted(claims: Mapping[str, Sequence[Comparison]], ours: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """In how many comparisons each claim holds by :func:`errors`, here and (in brackets) in the paper."""
    rows = {}
    for name, comparisons in claims.items():
        here, there = held(comparisons, ours), held(comparisons, paper)
        row = {}
        for loss in LOSSES:
            single = [column for column in ours.columns if column[0] != ALL and column[1] == loss]
            for label, chosen in (("500 days", [(ALL, loss)]), (f"{len(single)} periods", single)):
                hits, printed_hits = int(here[chosen].to_numpy().sum()), int(there[chosen].to_numpy().sum())
                row[f"{loss}, {label}"] = f"{hits} ({printed_hits}) of {len(comparisons) * len(chosen)}"
        rows[name] = row
    return _named(rows, "claim")


def by_target(claims: Mapping[str, Sequence[Comparison]], losses: pd.DataFrame) -> pd.DataFrame:
    """On how many targets each claim holds over all days: comparisons, targets with more than half, targets with all.

    Args:
        claims: Comparisons by claim.
        losses: Mean losses of a run (``tables/mean_losses``).
    """
    rows: dict[str, dict[str, str]] = {name: {} for name in claims}
    for loss in LOSSES:
        shown = losses[(losses["loss"] == loss) & (losses["period"] == ALL)]
        table = shown.pivot(index="model", columns="target", values="mean_loss")
        for name, comparisons in claims.items():
            hits = held(comparisons, table)
            shares = hits.mean()
            rows[name] |= {
                f"{loss}, comparisons": f"{int(hits.to_numpy().sum())} of {hits.size}",
                f"{loss}, targets (most)": f"{int((shares > 0.5).sum())} of {len(shares)}",
                f"{loss}, targets (all)": f"{int((shares == 1.0).sum())} of {len(shares)}",
            }
    return _named(rows, "claim")


def best(ours: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """The best model of each column of :func:`errors`, here and in the paper, and how the paper's best does here."""
    rows = {}
    periods = list(dict.fromkeys(ours.columns.get_level_values("period")))
    for period, loss in ((period, loss) for loss in LOSSES for period in periods):
        here, there = ours[period, loss], paper[period, loss]
        first = str(there.idxmin())
        rows[f"{loss} {period}"] = {
            "best": f"{_least(here)} {here.min():.3f}",
            "best in the paper": f"{_least(there)} {there.min():.3f}",
            "the paper's best here": f"{here[first]:.3f}, rank {int(here.rank(method='min')[first])} of {len(here)}",
        }
    return _named(rows, "loss and period")


def stars(claims: Mapping[str, Sequence[Comparison]], ours: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """How many comparisons are significant for more than half of the targets: for a claim, and against it.

    Args:
        claims: Comparisons by claim; all pairs of their first and second models count.
        ours: Tables 8 to 11 together: columns ``loss, benchmark, model, significant``.
        paper: The paper's.
    """
    found = [table.set_index(["loss", "benchmark", "model"])["significant"] for table in (ours, paper)]
    rows = {}
    for name, comparisons in claims.items():
        pairs = [(worse, better) for first, second in comparisons for better in first for worse in second]
        row = {}
        for loss in LOSSES:
            for label, cells in (("for", pairs), ("against", [(better, worse) for worse, better in pairs])):
                here, there = (int(table.loc[[(loss, *cell) for cell in cells]].sum()) for table in found)
                row[f"{loss}, {label}"] = f"{here} ({there}) of {len(cells)}"
        rows[name] = row
    return _named(rows, "claim")


def star_shares(ours: Mapping[int, pd.DataFrame], paper: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Significant cells of tables 8 to 11, as counts and shares of a table's cells, and those that both have."""
    rows = {}
    for number, table in ours.items():
        both = table.merge(paper[number], on=["benchmark", "model"], suffixes=("", " in the paper"))
        here, there = both["significant"], both["significant in the paper"]
        rows[f"{number}"] = {
            "cells": str(len(both)),
            "starred": f"{here.sum()} ({there.sum()})",
            "share": f"{here.mean():.0%} ({there.mean():.0%})",
            "starred in both": str((here & there).sum()),
        }
    return _named(rows, "table")


def _least(column: pd.Series) -> str:
    return ", ".join(str(model) for model in column.index[column == column.min()])


def _named(rows: Mapping[str, Mapping[str, str]], name: str) -> pd.DataFrame:
    return pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name=name))
