"""Put the tables of a results folder into a page, below its marker: the page's words stay, its numbers are made anew.

python benchmarks/results_page.py RESULTS docs/results/dj30.md
"""

import argparse
from pathlib import Path

import pandas as pd

from volforecast.evaluation.layout import PAIRWISE_TABLES, pairwise_matrix, printed, printed_pairwise

MARKER = "<!-- everything below is made by benchmarks/results_page.py -->"


def main() -> None:
    """Read the tables, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="results folder of a new-issues run")
    parser.add_argument("page", type=Path, help="Markdown page with the marker")
    arguments = parser.parse_args()
    words = arguments.page.read_text().partition(MARKER)[0]
    arguments.page.write_text(f"{words}{MARKER}\n\n{tables(arguments.results / 'tables')}")


def tables(folder: Path) -> str:
    """All tables as Markdown."""
    read = {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}
    relative = printed(read["table_3"], "ratio", ("MSE", "MAE", "QLIKE"))
    parts = [
        "## Table 3: errors relative to the naive forecast, mean over targets\n",
        _markdown(_flat(relative.loc[:, relative.columns.get_level_values(1) != "QLIKE"]), "{:.3f}"),
        "\n## QLIKE relative to the naive forecast (the paper lacks it)\n",
        _markdown(_flat(relative.loc[:, relative.columns.get_level_values(1) == "QLIKE"]), "{:.3f}"),
        "\n## MSE relative to the naive forecast by target, all days\n",
        _markdown(_by_target(read["mean_losses"], "MSE"), "{:.3f}"),
        "\n## MAE relative to the naive forecast by target, all days\n",
        _markdown(_by_target(read["mean_losses"], "MAE"), "{:.3f}"),
    ]
    if "table_4" in read:
        parts += [
            "\n## Table 4: in how many targets' 95% model confidence sets\n",
            _markdown(_flat(printed(read["table_4"], "included")), "{:.0f}"),
        ]
    for number, (loss, predictors) in PAIRWISE_TABLES.items():
        table = read[f"table_{number}"]
        stars = int(pairwise_matrix(table, "significant").to_numpy().sum())
        parts += [
            f"\n## Table {number}: {loss} of the column's model relative to the row's, {predictors} models, all days\n",
            f"A star: the Diebold-Mariano test rejects for more than half of the targets ({stars} stars).\n",
            _markdown(printed_pairwise(table), "{}"),
        ]
    return "\n".join(parts) + "\n"


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """One header line: `50 MSE`, ..."""
    flat = table.copy()
    flat.columns = pd.Index([f"{period} {loss}" for period, loss in table.columns])
    return flat


def _by_target(losses: pd.DataFrame, loss: str) -> pd.DataFrame:
    shown = losses[(losses["loss"] == loss) & (losses["period"] == "all")]
    wide = shown.pivot(index="model", columns="target", values="mean_loss")
    order = list(dict.fromkeys(losses["model"]))
    return (wide / wide.loc["NF"]).loc[[model for model in order if model != "NF"]]


def _markdown(table: pd.DataFrame, form: str) -> str:
    lines = ["| model | " + " | ".join(map(str, table.columns)) + " |", "|---" * (len(table.columns) + 1) + "|"]
    for name, row in zip(table.index, table.to_numpy(), strict=True):
        cells = ["n/a" if not isinstance(value, str) and pd.isna(value) else form.format(value) for value in row]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
