"""Put tables of rough-transfer runs into a page, below its marker: the page's words stay, its numbers are made anew.

python benchmarks/rough_page.py docs/results/rough-transfer.md "the S&P 500=RESULTS" "Bitcoin=OTHER" ...

The first run is shown whole, of the others what all targets together say.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from results_page import markdown  # beside this file

MARKER = "<!-- everything below is made by benchmarks/rough_page.py -->"
Tables = dict[str, pd.DataFrame]


def main() -> None:
    """Read the tables, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="Markdown page with the marker")
    parser.add_argument("runs", nargs="+", metavar="SOURCE=RESULTS", help="what a run learns from, and its folder")
    arguments = parser.parse_args()
    words = arguments.page.read_text().partition(MARKER)[0]
    sections: list[str] = []
    for place, run in enumerate(arguments.runs):
        source, _, folder = run.partition("=")
        read = {path.stem: pd.read_parquet(path) for path in (Path(folder) / "tables").glob("*.parquet")}
        sections += across(read, source)
        if place == 0:
            sections += whole(read)
    arguments.page.write_text(f"{words}{MARKER}\n\n" + "\n".join(sections) + "\n")


def across(read: Tables, source: str) -> Iterator[str]:
    """All targets of a run together, a table a horizon."""
    table = read["table_across"]
    for horizon, rows in table.groupby("horizon"):
        yield f"## From {source}, {_days(int(horizon))} ahead: all targets together\n"
        yield "RMSE relative to HAR's, mean over targets and its 95% interval (Student's t); on how many targets a"
        yield "two-sided Diebold-Mariano test at 5% finds the model better and worse than HAR, and than the LSTM from"
        yield "scratch.\n"
        shown = pd.DataFrame(
            {
                "model": rows["model"],
                "RMSE / HAR": rows["ratio"].map("{:.3f}".format),
                "95% interval": [_interval(low, high) for low, high in zip(rows["low"], rows["high"], strict=True)],
                "better, worse than HAR": _counts(rows["better_than_har"], rows["worse_than_har"]),
                "better, worse than LSTM": _counts(rows["better_than_lstm"], rows["worse_than_lstm"]),
                "targets": rows["targets"].map(str),
            }
        )
        yield markdown(shown.set_index("model")) + "\n"


def whole(read: Tables) -> Iterator[str]:
    """Tables 1 to 6 of one run, at its first horizon, target by target."""
    first = int(read["table_3"]["horizon"].min())
    now = {name: table[table["horizon"] == first] for name, table in read.items() if "horizon" in table}
    yield "## Table 1: Hurst exponents\n"
    yield "Standard errors by block bootstrap in brackets; the wavelet's slope in octaves behind its exponent.\n"
    yield markdown(_hurst(read["table_1"]))
    yield "\n## Table 2: log realized variance\n"
    columns = ["mean", "standard_deviation", "skewness", "kurtosis", "minimum", "maximum"]
    moments = read["table_2"].set_index("asset")
    shown = moments[columns].map("{:.2f}".format)
    shown.insert(0, "days", moments["observations"].map("{:,}".format))
    yield markdown(shown.rename(columns=lambda name: name.replace("_", " ")))
    for metric in ("RMSE", "MAE", "R2", "Correlation"):
        yield f"\n## Table 3: {metric}, {_days(first)} ahead\n"
        yield "Mean over seeds, in brackets their standard deviation.\n"
        rows = now["table_3"][now["table_3"]["metric"] == metric]
        yield markdown(_wide(rows.assign(text=_spread(rows["value"], rows["spread"], "{:.3f}"))))
    yield "\n## Table 4: Transfer LSTM against the LSTM from scratch, per cent\n"
    yield "Mean over seeds and their standard deviation; the p-value of a two-sided Diebold-Mariano test; seeds won.\n"
    rows = now["table_4"]
    text = _spread(rows["improvement"], rows["spread"], "{:+.1f}")
    tested = rows["p_value"].map(lambda p: f", p {p:.3f}" if pd.notna(p) else "")
    wins = [f", {won} of {seeds}" for won, seeds in zip(rows["wins"], rows["seeds"], strict=True)]
    wide = rows.assign(text=text + tested + wins).pivot(index="metric", columns="target", values="text")
    yield markdown(wide.reindex(["RMSE", "MAE", "R2", "Correlation"]))
    yield "\n## Table 5: RMSE relative to HAR's, per cent (negative: worse than HAR, as the paper prints it)\n"
    rows = now["table_5"].dropna(subset="versus_har")
    yield markdown(_wide(rows.assign(text=rows["versus_har"].map("{:+.2f}".format))))
    for benchmark in ("HAR", "LSTM"):
        yield f"\n## Table 6: Diebold-Mariano against {benchmark} (negative: worse), p-value in brackets\n"
        rows = now["table_6"][now["table_6"]["benchmark"] == benchmark]
        yield markdown(_wide(rows.assign(text=_spread(rows["statistic"], rows["p_value"], "{:.2f}", "{:.3f}"))))
    yield "\n## Model confidence set at 95%, squared error: p-values (bold: in the set)\n"
    rows = now["confidence_sets"]
    pairs = zip(rows["p_value"], rows["included"], strict=True)
    yield markdown(_wide(rows.assign(text=[f"**{p:.2f}**" if inside else f"{p:.2f}" for p, inside in pairs])))
    if "coverage" in now:
        yield "\n## Coverage of quantile forecasts: as forecast, and after calibration\n"
        rows = now["coverage"]
        both = zip(rows["coverage"], rows["calibrated_coverage"], strict=True)
        rows = rows.assign(
            text=[f"{before:.2f}, {after:.2f}" for before, after in both],
            model=rows["model"] + rows["interval"].map(", {:.0%}".format),
        )
        yield markdown(_wide(rows))
    alpha = now["estimations"].dropna(subset="alpha")
    if len(alpha):
        yield "\n## Alpha, the weight of HAR in the hybrids\n"
        found = alpha.groupby(["model", "target"], sort=False)["alpha"].agg(["mean", "std"]).reset_index()
        yield markdown(_wide(found.assign(text=_spread(found["mean"], found["std"], "{:.2f}"))))
    yield "\n## The paper's claims, one by one\n"
    yield markdown(read["claims"].set_index("text").rename_axis("claim")) + "\n"


def _hurst(table: pd.DataFrame) -> pd.DataFrame:
    errors = [
        f"{hurst:.3f} ({error:.3f})" + (f", slope {slope:.2f}" if method == "Wavelet" else "")
        for method, hurst, error, slope in table[["method", "hurst", "standard_error", "slope"]].itertuples(index=False)
    ]
    wide = table.assign(text=errors).pivot(index="asset", columns="method", values="text")
    return wide.reindex(index=table["asset"].unique(), columns=table["method"].unique())


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """Models by targets, in the order they come in."""
    wide = rows.pivot(index="model", columns="target", values="text")
    return wide.reindex(index=rows["model"].unique()).fillna("")


def _spread(values: "pd.Series[float]", spreads: "pd.Series[float]", form: str, inner: str = "") -> "pd.Series[str]":
    texts = [
        form.format(value) + (f" ({(inner or form.replace('+', '')).format(spread)})" if pd.notna(spread) else "")
        for value, spread in zip(values, spreads, strict=True)
    ]
    return pd.Series(texts, index=values.index)


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}" if pd.notna(low) else ""


def _counts(better: "pd.Series[int]", worse: "pd.Series[int]") -> list[str]:
    return [f"{one:.0f}, {other:.0f}" if pd.notna(one) else "" for one, other in zip(better, worse, strict=True)]


def _days(horizon: int) -> str:
    return "one day" if horizon == 1 else f"{horizon} days"


if __name__ == "__main__":
    main()
