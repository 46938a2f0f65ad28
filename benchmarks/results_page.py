"""Put the tables of a results folder into a page, below its marker: the page's words stay, its numbers are made anew.

Every figure stands beside the paper's, which is read from the folder teller-2026 next to the page.

python benchmarks/results_page.py RESULTS docs/results/dj30.md
"""

import argparse
from pathlib import Path

import pandas as pd
import paper_claims
import paper_figures

from volforecast.evaluation.layout import PAIRWISE_TABLES, printed, printed_pairwise
from volforecast.evaluation.order import ALL

MARKER = "<!-- everything below is made by benchmarks/results_page.py -->"
PAPER = "teller-2026"


def main() -> None:
    """Read the tables, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="results folder of a new-issues run of all 30 models")
    parser.add_argument("page", type=Path, help="Markdown page with the marker")
    arguments = parser.parse_args()
    words = arguments.page.read_text().partition(MARKER)[0]
    read = {path.stem: pd.read_parquet(path) for path in (arguments.results / "tables").glob("*.parquet")}
    paper = arguments.page.parent / PAPER
    arguments.page.write_text(f"{words}{MARKER}\n\n{claims(read, paper)}\n{tables(read, paper)}")


def claims(read: dict[str, pd.DataFrame], paper: Path) -> str:
    """The paper's claims, counted in its tables and in this run's."""
    ours, theirs = paper_claims.errors(read["table_3"]), paper_claims.errors(paper_figures.relative(paper))
    named = paper_claims.all_claims()
    by_kind = {
        f"{claim}: {kind}": comparisons
        for kind in paper_claims.KINDS
        for claim, comparisons in paper_claims.approach_claims([kind]).items()
    }
    pairs = {number: read[f"table_{number}"] for number in PAIRWISE_TABLES}
    their_pairs = {number: paper_figures.pairwise(paper, number) for number in PAIRWISE_TABLES}
    tested = {name: comparisons for name, comparisons in named.items() if not name.endswith("best of all")}
    return "\n".join(
        [
            "## Claims: in how many comparisons they hold, here and (in brackets) in the paper\n",
            "By errors relative to the naive forecast, mean over targets, at three decimals; a tie does not count. The",
            "500 days are the paper's s*. A class is the best where it beats both others.\n",
            _markdown(paper_claims.counted(named, ours, theirs)),
            "\nThe approaches by class and predictors:\n",
            _markdown(paper_claims.counted(by_kind, ours, theirs)),
            "\n## Claims by target, 500 days, this run\n",
            "Comparisons on all targets together; targets on which more than half of a claim's comparisons hold;",
            "targets on which all of them do.\n",
            _markdown(paper_claims.by_target(named, read["mean_losses"])),
            "\n## Best models\n",
            _markdown(paper_claims.best(ours, theirs)),
            "\n## Significance: Diebold-Mariano tests that reject for more than half of the targets\n",
            "Stars of tables 8 to 11, 500 days, here and (in brackets) in the paper.\n",
            _markdown(paper_claims.star_shares(pairs, their_pairs)),
            "\nThe stars of the claims' comparisons, and those of the same comparisons the other way round:\n",
            _markdown(
                paper_claims.stars(tested, pd.concat(list(pairs.values())), pd.concat(list(their_pairs.values())))
            ),
            "",
        ]
    )


def tables(read: dict[str, pd.DataFrame], paper: Path) -> str:
    """All tables as Markdown, the paper's figures in brackets."""
    ours, theirs = printed(read["table_3"], "ratio"), printed(paper_figures.relative(paper), "ratio")
    parts = [
        "## Table 3: errors relative to the naive forecast, mean over targets, here and (in brackets) in the paper\n",
        "The paper's figures for all days are those of tables 8 to 11.\n",
        _markdown(_beside(_text(ours, "{:.3f}"), _text(theirs, "{:.3f}"))),
        "\n## QLIKE relative to the naive forecast (the paper lacks it)\n",
        _markdown(_text(printed(read["table_3"], "ratio", ("QLIKE",)), "{:.3f}")),
        "\n## MSE relative to the naive forecast by target, all days\n",
        _markdown(_text(_by_target(read["mean_losses"], "MSE"), "{:.3f}")),
        "\n## MAE relative to the naive forecast by target, all days\n",
        _markdown(_text(_by_target(read["mean_losses"], "MAE"), "{:.3f}")),
    ]
    if "table_4" in read:
        ours, theirs = printed(read["table_4"], "included"), printed(paper_figures.included(paper), "included")
        parts += [
            "\n## Table 4: in how many targets' 95% model confidence sets, here and (in brackets) in the paper\n",
            "`agg` adds up the five periods.\n",
            _markdown(_beside(_text(ours, "{:.0f}"), _text(theirs, "{:.0f}"))),
        ]
    for number, (loss, predictors) in PAIRWISE_TABLES.items():
        here, there = read[f"table_{number}"], paper_figures.pairwise(paper, number)
        parts += [
            f"\n## Table {number}: {loss} of the column's model relative to the row's, {predictors} models, all days\n",
            "A star: the Diebold-Mariano test rejects for more than half of the targets. In brackets the paper's.\n",
            _markdown(_beside(printed_pairwise(here), printed_pairwise(there))),
        ]
    return "\n".join(parts) + "\n"


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


def _by_target(losses: pd.DataFrame, loss: str) -> pd.DataFrame:
    shown = losses[(losses["loss"] == loss) & (losses["period"] == ALL)]
    wide = shown.pivot(index="model", columns="target", values="mean_loss")
    order = list(dict.fromkeys(losses["model"]))
    return (wide / wide.loc["NF"]).loc[[model for model in order if model != "NF"]]


def _markdown(table: pd.DataFrame) -> str:
    head = table.index.name or "model"
    lines = [f"| {head} | " + " | ".join(map(str, table.columns)) + " |", "|---" * (len(table.columns) + 1) + "|"]
    for name, row in zip(table.index, table.to_numpy(), strict=True):
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
