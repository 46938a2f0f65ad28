"""Put tables of bitcoin-mixture runs into a page, below its marker: the page's words stay, its numbers are made anew.

python benchmarks/hourly_page.py docs/results/bitcoin-mixture.md "Bitstamp 2018=RESULTS" "Bitfinex 2016-2019=OTHER" ...
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from results_page import markdown  # beside this file

MARKER = "<!-- everything below is made by benchmarks/hourly_page.py -->"
ALL = 0
Tables = dict[str, pd.DataFrame]


def main() -> None:
    """Read the tables, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="Markdown page with the marker")
    parser.add_argument("runs", nargs="+", metavar="SAMPLE=RESULTS", help="what a run is of, and its folder")
    arguments = parser.parse_args()
    words = arguments.page.read_text().partition(MARKER)[0]
    sections: list[str] = []
    for run in arguments.runs:
        sample, _, folder = run.partition("=")
        read = {path.stem: pd.read_parquet(path) for path in (Path(folder) / "tables").glob("*.parquet")}
        for mode in read["metrics"]["mode"].unique():
            of_mode = {name: table[table["mode"] == mode] for name, table in read.items() if "mode" in table}
            sections += together(of_mode, f"{sample}, {mode} mode")
            sections += by_interval(of_mode, f"{sample}, {mode} mode")
        sections += of_the_paper(read)
    arguments.page.write_text(f"{words}{MARKER}\n\n" + "\n".join(sections) + "\n")


def together(read: Tables, called: str) -> Iterator[str]:
    """All test hours of a mode, a row a model."""
    metrics = read["metrics"][read["metrics"]["iteration"] == ALL]
    values = metrics.pivot(index="model", columns="metric", values="value")
    rmse = metrics[metrics["metric"] == "RMSE"].set_index("model")
    ratio = read["relative"].query("iteration == @ALL").set_index("model")["ratio"]
    tests = read["tests"].query("iteration == @ALL and benchmark == 'HAR'")
    tested = tests.assign(text=[_test(*row) for row in zip(tests["statistic"], tests["p_value"], strict=True)])
    against = tested.pivot(index="model", columns="loss", values="text")
    sets = read["confidence_sets"].query("iteration == @ALL")
    inside = sets.assign(text=[_set(*row) for row in zip(sets["p_value"], sets["included"], strict=True)])
    member = inside.pivot(index="model", columns="loss", values="text")
    names = metrics["model"].unique()
    shown = pd.DataFrame(
        {
            "RMSE": [_spread(rmse["value"][name], rmse["spread"][name], 4) for name in names],
            "/ HAR": [f"{ratio[name]:.3f}" if name in ratio else "" for name in names],
            "MAE": [f"{values['MAE'][name]:.4f}" for name in names],
            "R2": [f"{values['R2'][name]:.3f}" for name in names],
            "QLIKE": [f"{values['QLIKE'][name]:.3f}" for name in names],
        },
        index=pd.Index(names, name="model"),
    )
    for loss in against:
        shown[f"DM, {loss}"] = against[loss].reindex(names).fillna("")
    for loss in member:
        shown[f"MCS, {loss}"] = member[loss].reindex(names).fillna("")
    hours = int(metrics["hours"].min())
    yield f"## {called}: {hours:,} test hours\n"
    yield "Mean over seeds, in brackets their standard deviation. DM: Diebold-Mariano against HAR (negative: worse),"
    yield "p-value in brackets; MCS: p-value in the model confidence set, bold where it is at 95%; both of the average"
    yield "forecast over seeds.\n"
    yield markdown(shown) + "\n"


def by_interval(read: Tables, called: str) -> Iterator[str]:
    """RMSE of every model in every interval, and the weights of the mixtures' components."""
    rows = read["metrics"].query("metric == 'RMSE' and iteration != @ALL")
    text = [_spread(value, spread, 4) for value, spread in zip(rows["value"], rows["spread"], strict=True)]
    wide = rows.assign(text=text).pivot(index="model", columns="iteration", values="text")
    yield f"### RMSE by interval, {called}\n"
    yield markdown(wide.reindex(rows["model"].unique()).fillna("")) + "\n"
    if len(gates := read.get("gates", pd.DataFrame())):
        means = gates.groupby(["model", "component", "iteration"], sort=False)["weight"].mean().reset_index()
        labels = means["model"] + ", " + means["component"]
        shown = means.assign(label=labels, text=means["weight"].map("{:.2f}".format))
        yield f"### Mean gate weights, {called}\n"
        yield markdown(shown.pivot(index="label", columns="iteration", values="text").reindex(labels.unique())) + "\n"


def of_the_paper(read: Tables) -> Iterator[str]:
    """Tables 1 and 2 beside the print, and the claims; of a run of the paper's hours."""
    for number in (1, 2):
        if f"table_{number}" in read:
            table = read[f"table_{number}"]
            paper = table.drop_duplicates(["iteration", "model"]).assign(mode="printed, corrected")
            paper = paper.assign(rmse=paper["corrected"])
            both = pd.concat([paper, table]).dropna(subset="rmse")
            both = both.assign(label=both["model"] + ", " + both["mode"], text=both["rmse"].map("{:.4f}".format))
            wide = both.pivot(index="label", columns="iteration", values="text")
            labels = [f"{m}, {kind}" for m in table["model"].unique() for kind in both["mode"].unique()]
            yield f"## Table {number}: RMSE beside the paper's\n"
            yield markdown(wide.reindex([label for label in labels if label in wide.index]).fillna("")) + "\n"
    if "claims" in read:
        yield "## The paper's claims, one by one\n"
        yield markdown(read["claims"].set_index("text").rename_axis("claim")) + "\n"


def _spread(value: float, spread: float, digits: int) -> str:
    return f"{value:.{digits}f}" + (f" ({spread:.{digits}f})" if pd.notna(spread) else "")


def _test(statistic: float, p: float) -> str:
    return f"{statistic:.2f} ({p:.3f})" if pd.notna(p) else ""


def _set(p: float, included: bool) -> str:
    if pd.isna(p):
        return ""
    return f"**{p:.2f}**" if included else f"{p:.2f}"


if __name__ == "__main__":
    main()
