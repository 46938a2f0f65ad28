"""Made-up runs for the tests of the report, and a reader of the page."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd

from cluster.study import Plan, Unit
from volforecast.evaluation.first_days import (
    PREFIX_TABLES,
    by_prefix,
    strategy_losses,
    strategy_table,
    transition_table,
)
from volforecast.evaluation.inclusion import confidence_sets
from volforecast.report.page.html import Report
from volforecast.studies.extended_tables import make_extended
from volforecast.studies.summary import make_tables

HOSTILE = "<script>alert(1)</script> & $x^2$ \"q\" 'a'"
NOISE = {
    "NF": 0.9,
    "TO HAR-STD": 0.6,
    "TO HAR-EXT": 0.7,
    "NP HAR-STD": 0.5,
    "MTL-75 HAR-STD": 0.4,
    "MTL-25 XGB-EXT": 0.2,
    "NP FNN-STD": 0.5,
}
EXTRA = {"TO HARQ": 0.05, "NP LOG-HAR": 0.3, "NF-22": 0.8}
"""Models that are not the paper's; the first is better than all of them."""
HAR_ONLY = ("NF", "TO HAR-STD", "NP HAR-STD", "MTL-75 HAR-STD")
DAYS = 20
COLUMNS = ["target", "period", "origin", "date", "model", "forecast", "realized", "status"]
VOID = {"meta", "br", "link", "img", "hr", "input", "col"}


def forecasts_of(
    targets: tuple[str, ...] = (HOSTILE, "KO"),
    periods: tuple[int, ...] = (50, 150),
    noise: dict[str, float] | None = None,
) -> pd.DataFrame:
    """A made-up run; NP FNN-STD fails for the last target, TO HAR-EXT falls back on three days of every period."""
    rng = np.random.default_rng(7)
    rows = []
    for target in targets:
        for period in periods:
            for day in range(DAYS):
                date = pd.Timestamp("2015-01-01") + pd.Timedelta(days=period + day)
                realized = float(rng.lognormal())
                for model, sigma in (noise or NOISE).items():
                    drawn, status = realized * float(np.exp(sigma * rng.normal())), "ok"
                    if model == "NP FNN-STD" and target == targets[-1]:
                        drawn, status = np.nan, "failed"
                    elif model == "TO HAR-EXT" and day < 3:
                        status = "fallback"
                    origin = period + day // 5 * 5
                    rows.append((target, period, origin, date.date(), model, drawn, realized, status))
    return pd.DataFrame(rows, columns=COLUMNS)


def report_of(forecasts: pd.DataFrame, sets: bool = True, planned: int = 0) -> Report:
    """The report's input for a run that has these forecasts."""
    beside = forecasts["model"].isin(list(EXTRA))
    tables = make_tables(forecasts[~beside], _sets(forecasts[~beside], sets))
    if beside.any():
        tables |= make_extended(forecasts, _sets(forecasts, sets))
    estimations = forecasts.groupby(["target", "period", "origin", "model"], as_index=False)["status"].max()
    failed = estimations["status"] == "failed"
    tables["estimations"] = estimations.drop(columns="status").assign(
        train_rows=100,
        dropped_rows=np.where(estimations["model"] == "MTL-25 XGB-EXT", 4, 0),
        epochs=np.nan,
        reason=["it <b>broke</b>" if bad else None for bad in failed],
    )
    config = {
        "seed": 11,
        "confidence": 0.95,
        "block_length": 22,
        "targets": [HOSTILE, "KO"],
        "har": {},
        "fnn": {"a": 1},
    }
    units = tuple(Unit(str(i), "forecast", str(i), {"target": str(i), "period": 1}) for i in range(planned))
    plan = Plan("new-issues", config, "0123abcd", {"volforecast": "0.1.0", "numpy": "2.0"}, units)
    return Report(plan, forecasts, tables, [f"{HOSTILE}/50/NP FNN-STD: it broke"])


def _sets(forecasts: pd.DataFrame, wanted: bool) -> list[pd.DataFrame]:
    return [confidence_sets(forecasts, seed=1, replications=100)] if wanted else []


def selection_tables(targets: tuple[str, ...] = (HOSTILE, "KO"), sources: int = 4) -> dict[str, pd.DataFrame]:
    """Tables 12 to 14 and ``selection_by_time``; the first source has no windows for the first target."""
    rng = np.random.default_rng(5)
    tables = {}
    by_time = []
    for name, rate in (("table_12", 25), ("table_13", 50), ("table_14", 75)):
        rows = []
        for number in range(sources):
            for place, target in enumerate(targets):
                windows = 0 if number == place == 0 else 40
                share = float(rng.random()) if windows else np.nan
                sector = "Energy & <i>more</i>" if number < sources // 2 else "Staples"
                same = number % 2 == place % 2
                rows.append((sector, f"S{number}", target, same, windows, int(windows * rate / 100), share))
        columns = ["sector", "asset", "target", "same_sector", "windows", "selected", "selection_rate"]
        tables[name] = pd.DataFrame(rows, columns=columns)
        by_time += [
            (rate, target, 100 * bin_, 50, 10, float(rng.random()))
            for place, target in enumerate(targets)
            for bin_ in range(6 + 3 * place)
        ]
    columns = ["inclusion", "target", "bin", "windows", "selected", "selection_rate"]
    return tables | {"selection_by_time": pd.DataFrame(by_time, columns=columns)}


def first_days_report(prefixes: tuple[int, ...] = (1, 5, 22)) -> Report:
    """The report's input for a first-days run of three targets and these predictor sets."""
    rng = np.random.default_rng(3)
    rows = []
    for target in ("AA", "BB", HOSTILE):
        for origin in range(1, 50):
            period = 1 if origin < 5 else 5 if origin < 22 else 22
            date = (pd.Timestamp("2020-01-01") + pd.Timedelta(days=origin)).date()
            realized = float(rng.lognormal())
            for model, sigma in {model: noise for model, noise in NOISE.items() if "FNN" not in model}.items():
                for prefix in (1,) if model == "NF" else prefixes:
                    if prefix <= origin:
                        drawn = realized * float(np.exp(sigma * rng.normal()))
                        name = model if model == "NF" else f"{prefix}-{model}"
                        own = np.nan if model == "NF" else float(prefix)
                        rows.append((target, period, origin, date, name, drawn, realized, "ok", own))
    forecasts = pd.DataFrame(rows, columns=[*COLUMNS, "prefix"])
    losses = strategy_losses(forecasts)
    tables = {"table_5": strategy_table(losses), "table_6": transition_table(losses)}
    tables |= {f"table_{number}": by_prefix(forecasts, prefix) for number, prefix in PREFIX_TABLES.items()}
    plan = Plan("first-days", {"seed": 1, "confidence": 0.95}, "0123abcd", {"volforecast": "0.1.0"}, ())
    return Report(plan, forecasts, tables)


class Page(HTMLParser):
    """Reads a page and collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def having(self, attribute: str) -> list[str]:
        return [str(attrs[attribute]) for _, attrs in self.tags if attribute in attrs]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())
