"""How the paper's claims are counted in a set of tables, be it a run's or the paper's own: the same functions for both.

A test takes tables by name and says in how many of its comparisons a claim holds, or None where the tables lack all of
them.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import pandas as pd

from volforecast.evaluation.order import AGGREGATE, ALL
from volforecast.report.claims.lookups import (
    LOSSES,
    PERIODS,
    Hits,
    Pair,
    Tables,
    cells,
    column_of,
    errors,
    included,
    smaller,
)


class Count(NamedTuple):
    """In how many comparisons a claim holds.

    Attributes:
        held: Comparisons that hold; for a claim about a size the size found.
        of: Comparisons made, more than none; for a claim about a size the size claimed.
        text: The figures to show.
    """

    held: float
    of: float
    text: str


Test = Callable[[Tables], Count | None]


class Statement(NamedTuple):
    """A claim of the paper and how it is counted.

    Attributes:
        text: The claim in this project's words, with the tables it rests on.
        test: Counts it.
        most: It is claimed of most comparisons, not of all.
        stated: What the paper says of it where its tables have no figures to count.
    """

    text: str
    test: Test
    most: bool = False
    stated: str = ""


def tally(hits: Hits, notes: Mapping[str, str] | None = None) -> Count | None:
    """``MSE 15 of 18, MAE 18 of 18``; a note by label follows its figures."""
    known = {label: list(values) for label, values in hits.items() if values}
    if not known:
        return None
    parts = [f"{label} {sum(v)} of {len(v)}".strip() + (notes or {}).get(label, "") for label, v in known.items()]
    return Count(sum(map(sum, known.values())), sum(map(len, known.values())), ", ".join(parts))


def pairwise(
    pairs: Sequence[Pair],
    holds: Callable[[float], bool],
    *,
    column: str = "ratio",
    losses: Sequence[str] = LOSSES,
    targets: Callable[[float], bool] | None = None,
) -> Test:
    """Cells of tables 8 to 11 (all days), the pair's first model relative to its second.

    Args:
        pairs: Models compared.
        holds: Whether a cell fulfils the claim.
        column: ``ratio`` or ``significant``.
        losses: The losses counted.
        targets: Whether one target's ratio does; if given, how many targets fulfil the claim for more than half of the
            pairs is told beside the count, where the tables have ``mean_losses``.
    """

    def test(tables: Tables) -> Count | None:
        found = {loss: cells(tables, loss, column) for loss in losses}
        hits = {loss: [holds(table[pair]) for pair in pairs if pair in table] for loss, table in found.items()}
        return tally(hits, _targets(tables, pairs, losses, targets) if targets else None)

    return test


def below(pairs: Sequence[Pair], losses: Sequence[str] = LOSSES) -> Test:
    """All days: the first model's error is the smaller one."""
    return pairwise(pairs, lambda ratio: ratio < 1.0, losses=losses, targets=lambda ratio: ratio < 1.0)


def above(pairs: Sequence[Pair], losses: Sequence[str] = LOSSES) -> Test:
    """All days: the first model's error is the greater one."""
    return pairwise(pairs, lambda ratio: ratio > 1.0, losses=losses, targets=lambda ratio: ratio > 1.0)


def within(pairs: Sequence[Pair], width: float = 0.05) -> Test:
    """All days: the two errors differ by no more than this share."""
    return pairwise(pairs, lambda ratio: abs(ratio - 1.0) <= width + 1e-9)


def starred(pairs: Sequence[Pair], losses: Sequence[str] = LOSSES) -> Test:
    """All days: the Diebold-Mariano test prefers the first model for more than half of the targets."""
    return pairwise(pairs, bool, column="significant", losses=losses)


def unstarred(pairs: Sequence[Pair], losses: Sequence[str] = LOSSES) -> Test:
    """All days: it does so for no more than half of them."""
    return pairwise(pairs, lambda star: not star, column="significant", losses=losses)


def gains_more(first: Sequence[Pair], second: Sequence[Pair]) -> Test:
    """All days: the ratio of each of the first pairs is below that of the second pairs of the same inclusion rate."""

    def test(tables: Tables) -> Count | None:
        found = {loss: cells(tables, loss) for loss in LOSSES}
        hits = {
            loss: [
                table[one] < table[other]
                for one, other in product(first, second)
                if one in table and other in table and one[0].split()[0] == other[0].split()[0]
            ]
            for loss, table in found.items()
        }
        return tally(hits)

    return test


def reduction(pairs: Sequence[Pair], sizes: Mapping[str, float]) -> Test:
    """All days: the greatest reduction of the error by a pair's first model, beside the sizes claimed by loss."""

    def test(tables: Tables) -> Count | None:
        found = {}
        for loss in sizes:
            table = cells(tables, loss)
            if ratios := [table[pair] for pair in pairs if pair in table]:
                found[loss] = 1.0 - min(ratios)
        return _sizes(found, sizes)

    return test


def period_reduction(models: Sequence[str], period: str, sizes: Mapping[str, float]) -> Test:
    """One period: the greatest reduction of the naive forecast's error by any of the models, beside those claimed."""

    def test(tables: Tables) -> Count | None:
        table = errors(tables)
        found = {}
        for loss in sizes:
            if (period, loss) in table.columns and not (
                column := table[period, loss].reindex(list(models)).dropna()
            ).empty:
                found[loss] = 1.0 - float(column.min())
        return _sizes(found, sizes)

    return test


def in_periods(pairs: Sequence[Pair], periods: Sequence[str] = PERIODS, losses: Sequence[str] = LOSSES) -> Test:
    """Table 3: the first model's error is the smaller one, in each period."""
    return lambda tables: tally(smaller(errors(tables), pairs, periods, losses))


def best_in_periods(chosen: Sequence[str], periods: Sequence[str] = PERIODS) -> Test:
    """Table 3: no other model has a smaller error than the best of these, in each period."""

    def test(tables: Tables) -> Count | None:
        table = errors(tables)
        hits: dict[str, list[bool]] = {loss: [] for loss in LOSSES}
        for period, loss in product(periods, LOSSES):
            column = column_of(table, period, loss)
            mine, others = column[column.index.isin(chosen)], column[~column.index.isin(chosen)]
            if len(mine) and len(others):
                hits[loss].append(bool(mine.min() <= others.min()))
        return tally(hits)

    return test


def leads(models: Sequence[tuple[str, str]]) -> Test:
    """All days: each (loss, model) has the smallest error relative to the naive forecast of all models."""

    def test(tables: Tables) -> Count | None:
        table = errors(tables)
        hits, parts = [], []
        for loss, model in models:
            column = column_of(table, ALL, loss)
            if model in column.index and len(column) > 2:
                rank = int(column.rank(method="min")[model])
                hits.append(rank == 1)
                parts.append(f"{loss} {model} {column[model]:.3f}, rank {rank} of {len(column)}")
        return Count(sum(hits), len(hits), "; ".join(parts)) if hits else None

    return test


def most_included(chosen: Sequence[tuple[str, str]], period: str = AGGREGATE) -> Test:
    """Table 4: each (loss, model) is in more confidence sets than every other model."""

    def test(tables: Tables) -> Count | None:
        ahead: list[bool] = []
        parts = []
        for loss, model in chosen:
            column = included(tables, period).get(loss, {})
            others = [count for name, count in column.items() if name != model]
            if model in column and others:
                hits = [column[model] > count for count in others]
                ahead += hits
                parts.append(f"{loss} {model} in {column[model]}, ahead of {sum(hits)} of {len(hits)}")
        return Count(sum(ahead), len(ahead), "; ".join(parts)) if ahead else None

    return test


def more_included(first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], losses: Sequence[str]) -> Test:
    """Table 4, periods added up: each of the first groups of models is in more sets than each of the second."""

    def test(tables: Tables) -> Count | None:
        hits: dict[str, list[bool]] = {loss: [] for loss in losses}
        for loss in losses:
            column = included(tables, AGGREGATE).get(loss, {})
            for one, other in product(first, second):
                if all(model in column for model in (*one, *other)):
                    hits[loss].append(sum(column[m] for m in one) > sum(column[m] for m in other))
        return tally(hits)

    return test


def _sizes(found: Mapping[str, float], claimed: Mapping[str, float]) -> Count | None:
    if not found:
        return None
    text = ", ".join(f"{loss} {abs(size):.1%} {'below' if size >= 0 else 'above'}" for loss, size in found.items())
    return Count(sum(found.values()), sum(claimed[loss] for loss in found), text)


def _targets(
    tables: Tables, pairs: Sequence[Pair], losses: Sequence[str], holds: Callable[[float], bool]
) -> dict[str, str]:
    """`` (9 of 10 targets)`` by loss: those on which more than half of the pairs fulfil the claim."""
    if "mean_losses" not in tables:
        return {}
    table = tables["mean_losses"]
    table = table[(table["period"] == ALL) & (table["mean_loss"] > 0.0)]
    notes = {}
    for loss in losses:
        wide = table[table["loss"] == loss].pivot(index="model", columns="target", values="mean_loss")
        known = [pair for pair in pairs if set(pair) <= set(wide.index)]
        if known:
            ratios = pd.DataFrame([wide.loc[one] / wide.loc[other] for one, other in known])
            shares = ratios.map(holds).where(ratios.notna()).mean()
            notes[loss] = f" ({int((shares.dropna() > 0.5).sum())} of {shares.notna().sum()} targets)"
    return notes
