"""Put the tables of a results folder into a page, below its marker: the page's words stay, its numbers are made anew.

Every figure stands beside that of Teller, Pigorsch & Pigorsch (2026).

python benchmarks/results_page.py RESULTS docs/results/dj30.md
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from volforecast.evaluation.layout import PAIRWISE_TABLES, printed, printed_pairwise
from volforecast.evaluation.order import ALL, NAIVE
from volforecast.report import paper
from volforecast.report.claims.lookups import LOSSES, errors
from volforecast.report.claims.verdicts import FAILS, HOLDS, NOT_TESTED, PARTLY, claims_table

MARKER = "<!-- everything below is made by benchmarks/results_page.py -->"
Tables = dict[str, pd.DataFrame]


def main() -> None:
    """Read the tables, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="results folder of a new-issues or first-days run of all 30 models")
    parser.add_argument("page", type=Path, help="Markdown page with the marker")
    arguments = parser.parse_args()
    words = arguments.page.read_text().partition(MARKER)[0]
    read = {path.stem: pd.read_parquet(path) for path in (arguments.results / "tables").glob("*.parquet")}
    study = "first-days" if "table_15" in read else "new-issues"
    sections = [*claimed(read, study), *(first_days(read) if study == "first-days" else new_issues(read))]
    arguments.page.write_text(f"{words}{MARKER}\n\n" + "\n".join(sections) + "\n")


def claimed(read: Tables, study: str) -> Iterator[str]:
    """The paper's claims, counted in its tables and in this run's."""
    table = claims_table(read, study)
    counts = table["verdict"].value_counts()
    yield "## The paper's claims, one by one\n"
    yield f"{len(table)} claims: " + ", ".join(f"{v} {counts.get(v, 0)}" for v in (HOLDS, PARTLY, FAILS, NOT_TESTED))
    rule = "volforecast/report/claims/verdicts.py"
    yield f"(by the rule of `{rule}`: a claim about all comparisons holds from 90% of them"
    yield "on and fails below half; one about most holds above half and fails below a quarter). In brackets: targets on"
    yield "which more than half of the comparisons hold.\n"
    yield markdown(table.set_index("text").rename_axis("claim"))


def new_issues(read: Tables) -> Iterator[str]:
    """Tables 3, 4 and 8 to 14, the paper's figures in brackets."""
    theirs = paper.tables()
    yield "\n## Best models\n"
    yield markdown(best(errors(read), errors(theirs)))
    yield "\n## Significance: Diebold-Mariano tests that reject for more than half of the targets\n"
    yield "Stars of tables 8 to 11, 500 days, here and (in brackets) in the paper.\n"
    yield markdown(star_shares(read, theirs))
    yield "\n## Table 3: errors relative to the naive forecast, mean over targets\n"
    yield "In brackets the paper's. Its figures for all days are those of tables 8 to 11.\n"
    here, there = printed(read["table_3"], "ratio"), printed(theirs["table_3"], "ratio")
    yield markdown(_beside(_text(here, "{:.3f}"), _text(there, "{:.3f}")))
    yield "\n## QLIKE relative to the naive forecast (the paper lacks it)\n"
    yield markdown(_text(printed(read["table_3"], "ratio", ("QLIKE",)), "{:.3f}"))
    for loss in LOSSES:
        yield f"\n## {loss} relative to the naive forecast by target, all days\n"
        yield markdown(_text(_by_target(read["mean_losses"], loss), "{:.3f}"))
    if "table_4" in read:
        here, there = printed(read["table_4"], "included"), printed(theirs["table_4"], "included")
        yield "\n## Table 4: in how many targets' 95% model confidence sets, here and (in brackets) in the paper\n"
        yield "`agg` adds up the five periods.\n"
        yield markdown(_beside(_text(here, "{:.0f}"), _text(there, "{:.0f}")))
    for number, (loss, predictors) in PAIRWISE_TABLES.items():
        name = f"table_{number}"
        heading = f"{loss} of the column's model relative to the row's, {predictors} models, all days"
        yield f"\n## Table {number}: {heading}\n"
        yield "A star: the Diebold-Mariano test rejects for more than half of the targets. In brackets the paper's.\n"
        yield markdown(_beside(printed_pairwise(read[name]), printed_pairwise(theirs[name])))
    for number, inclusion in paper.SELECTION_TABLES.items():
        if f"table_{number}" in read:
            yield f"\n## Table {number}: selection rates of sources by target, MTL-{inclusion}\n"
            table = read[f"table_{number}"]
            wide = table.pivot(index=["sector", "asset"], columns="target", values="selection_rate")
            wide.index = pd.Index(
                [f"{sector}: {asset}" if sector else asset for sector, asset in wide.index], name="source"
            )
            yield markdown(_text(wide, "{:.3f}"))


def first_days(read: Tables) -> Iterator[str]:
    """Tables 5, 6 and 15 to 17, the paper's figures in brackets."""
    layouts = {5: (["row"], ["loss", "column"]), 6: (["strategy", "model"], ["loss"])}
    layouts |= dict.fromkeys(paper.FIRST_DAYS_TABLES, (["model"], ["period", "loss"]))
    for number, (index, columns) in layouts.items():
        if f"table_{number}" in read:
            table = paper.beside(read, number)
            figures = (_as_printed(table["ours"]) + " (" + _as_printed(table["paper"]) + ")").to_list()
            lines, heads = (table[names].agg(" ".join, axis=1) for names in (index, columns))
            wide = pd.DataFrame({"line": lines, "head": heads, "text": figures}).pivot(
                index="line", columns="head", values="text"
            )
            wide = wide.loc[list(dict.fromkeys(lines)), list(dict.fromkeys(heads))].fillna("-")
            yield f"\n## Table {number}, here and (in brackets) in the paper\n"
            yield markdown(wide.rename_axis(index[-1]))


def best(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """The best model of each column of :func:`errors`, here and in the paper, and how the paper's best does here."""
    rows = {}
    for loss, period in ((loss, p) for loss in LOSSES for p in dict.fromkeys(theirs.columns.get_level_values(0))):
        if (period, loss) not in ours.columns:
            continue
        here, there = ours[period, loss], theirs[period, loss]
        first = str(there.idxmin())
        rank = here.rank(method="min").get(first, float("nan"))
        rows[f"{loss} {period}"] = {
            "best": f"{_least(here)} {here.min():.3f}",
            "best in the paper": f"{_least(there)} {there.min():.3f}",
            "the paper's best here": f"{here[first]:.3f}, rank {rank:.0f} of {len(here)}" if rank == rank else "n/a",
        }
    return _named(rows, "loss and period")


def star_shares(ours: Tables, theirs: Tables) -> pd.DataFrame:
    """Significant cells of tables 8 to 11, as counts and shares of a table's cells, and those that both have."""
    rows = {}
    for number in PAIRWISE_TABLES:
        name = f"table_{number}"
        both = ours[name].merge(theirs[name], on=["benchmark", "model"], suffixes=("", " in the paper"))
        here, there = both["significant"], both["significant in the paper"]
        rows[f"{number}"] = {
            "cells": str(len(both)),
            "starred": f"{here.sum()} ({there.sum()})",
            "share": f"{here.mean():.0%} ({there.mean():.0%})",
            "starred in both": str((here & there).sum()),
        }
    return _named(rows, "table")


def markdown(table: pd.DataFrame) -> str:
    """A table of text, its index first."""
    head = table.index.name or "model"
    lines = [f"| {head} | " + " | ".join(map(str, table.columns)) + " |", "|---" * (len(table.columns) + 1) + "|"]
    for name, row in zip(table.index, table.to_numpy(), strict=True):
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _beside(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """``0.716 (0.717)`` in every cell; the cells without figures (the diagonal) stay as they are."""
    aligned = theirs.reindex(index=ours.index, columns=ours.columns)
    return ours.where(ours == "-", ours + " (" + aligned.fillna("n/a") + ")")


def _text(table: pd.DataFrame, form: str) -> pd.DataFrame:
    """Numbers as printed; a header of two lines becomes one: `50 MSE`, ..."""
    text = table.map(lambda value: "n/a" if pd.isna(value) else form.format(value))
    if text.columns.nlevels == 2:
        text.columns = pd.Index([" ".join(column) for column in text.columns])
    return text


def _as_printed(figures: "pd.Series[float]") -> "pd.Series[str]":
    return figures.map(lambda value: paper.BEYOND if value > 99.0 else "n/a" if value != value else f"{value:.3f}")


def _by_target(losses: pd.DataFrame, loss: str) -> pd.DataFrame:
    shown = losses[(losses["loss"] == loss) & (losses["period"] == ALL)]
    wide = shown.pivot(index="model", columns="target", values="mean_loss")
    order = list(dict.fromkeys(losses["model"]))
    return (wide / wide.loc[NAIVE]).loc[[model for model in order if model != NAIVE]]


def _least(column: "pd.Series[float]") -> str:
    return ", ".join(str(model) for model in column.index[column == column.min()])


def _named(rows: dict[str, dict[str, str]], name: str) -> pd.DataFrame:
    return pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name=name))


if __name__ == "__main__":
    main()
