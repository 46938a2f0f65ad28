"""The tables that are printed, with headings and captions; those of a run that lacks their numbers are left out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from volforecast.evaluation.hourly_order import ALL, HAR, LOSSES, METRICS, mode_order
from volforecast.report import paper_bitcoin
from volforecast.report.page.bitcoin import diagnostics, grids, names
from volforecast.report.page.bitcoin.drawings import of_mode
from volforecast.report.page.evidence import Tables
from volforecast.report.page.printed import Printed

BITCOIN: Final = "bitcoin-mixture"
_WORDS: Final = {
    1: "Table 1: RMSE of linear models, LSTM and temporal mixtures",
    2: "Table 2: RMSE of GARCH, boosted trees and averages",
}


def printed_bitcoin(tables: Tables, config: Mapping[str, Any]) -> list[Printed]:
    """Every printed table, such as LaTeX documents are made of.

    Args:
        tables: A run's tables by name.
        config: The plan's configuration.
    """
    found = {name: table for name, table in tables.items() if len(table)}
    modes = modes_of(found)
    made = [*beside(found)]
    for mode in modes:
        made += ranking(found, mode, modes)
        made += [entry for metric in METRICS for entry in by_interval(found, mode, metric, modes)]
        made += [entry for loss in LOSSES for entry in compared(found, mode, loss, modes, config)]
        made += gates(found, mode, modes)
    return made


def modes_of(tables: Tables) -> list[str]:
    """The modes that a run has numbers of, clean before paper."""
    return mode_order(map(str, set(tables["metrics"]["mode"]))) if "metrics" in tables else []


def ranking(tables: Tables, mode: str, modes: Sequence[str]) -> list[Printed]:
    """Errors over all test hours."""
    own = of_mode(tables, "metrics", mode)
    if own.empty or (own["iteration"] == ALL).sum() == 0:
        return []
    caption = "Mean over seeds, and below it their standard deviation; bold: the best. Errors are of volatility / 100"
    averages = of_mode(tables, "mean_over_seeds", mode)
    if averages.empty:
        averages = own.iloc[:0]
    grid = grids.ranking(own, averages, caption)
    return [Printed(f"metrics_{mode}", "ranking", f"All test hours{names.in_mode(mode, modes)}", grid)]


def by_interval(tables: Tables, mode: str, metric: str, modes: Sequence[str]) -> list[Printed]:
    """A measure by interval."""
    own = of_mode(tables, "metrics", mode)
    if own.empty:
        return []
    caption = "Mean over seeds, and below it their standard deviation; bold: the best of an interval"
    heading = f"{names.METRICS[metric]} by interval{names.in_mode(mode, modes)}"
    return [Printed(f"{metric.lower()}_{mode}", "intervals", heading, grids.by_interval(own, metric, caption))]


def beside(tables: Tables) -> list[Printed]:
    """Tables 1 and 2 beside the printed ones."""
    made = []
    for number, models in paper_bitcoin.TABLES.items():
        name = f"table_{number}"
        if name not in tables or tables[name]["rmse"].isna().all():
            continue
        caption = (
            "Mean over seeds; below it their standard deviation, and in brackets the difference from the print; bold: "
            "the best of a row. Dagger: a misprint, corrected"
        )
        made.append(Printed(name, "beside", _WORDS[number], grids.beside(tables[name], models, caption)))
    return made


def compared(tables: Tables, mode: str, loss: str, modes: Sequence[str], config: Mapping[str, Any]) -> list[Printed]:
    """Diebold-Mariano tests and confidence sets by one loss."""
    made = []
    end = f"{_by(loss)}{names.in_mode(mode, modes)}"
    own = of_mode(tables, "tests", mode)
    own = own[own["loss"] == loss] if len(own) else own
    stem = loss.lower().replace(" ", "_")
    for against_har, words in ((True, "Against HAR"), (False, "Against the model that lacks what one adds")):
        benchmarks = set(own["benchmark"]) if len(own) else set()
        if (HAR in benchmarks) if against_har else benchmarks - {HAR}:
            caption = "Statistic (above zero: better than the other), and below it the two-sided p-value"
            grid = grids.tests(own, caption, against_har=against_har)
            name = f"tests_{'har' if against_har else 'pairs'}_{stem}_{mode}"
            made.append(Printed(name, "tests", f"{words}, {end}", grid))
    own = of_mode(tables, "confidence_sets", mode)
    own = own[own["loss"] == loss] if len(own) else own
    if len(own):
        level = f"{config.get('confidence', 0.95):.0%}"
        caption = f"p-values; bold: in the {level} model confidence set"
        made.append(Printed(f"sets_{stem}_{mode}", "sets", f"Confidence sets, {end}", grids.sets(own, caption)))
    return made


def gates(tables: Tables, mode: str, modes: Sequence[str]) -> list[Printed]:
    """Mean gate weights."""
    own = of_mode(tables, "gates", mode)
    own = own[own["weight"].notna()] if len(own) else own
    if own.empty:
        return []
    caption = "Mean over the test hours of an interval and over seeds"
    heading = f"Mean gate weights{names.in_mode(mode, modes)}"
    return [Printed(f"gates_{mode}", "gates", heading, grids.gates(own, caption))]


def stationarity(tables: Tables, mode: str, span: int) -> list[Printed]:
    """Tests of stationarity and memory on one span of hours."""
    own = of_mode(tables, "diagnostics", mode)
    own = own[own["iteration"] == span] if len(own) else own
    if own.empty:
        return []
    caption = "What each test rejects or not"
    return [Printed("diagnostics", "diagnostics", "Stationarity", diagnostics.stationarity(own, caption))]


def causality(tables: Tables, mode: str, span: int) -> list[Printed]:
    """Granger tests on one span of hours."""
    own = of_mode(tables, "granger", mode)
    own = own[own["iteration"] == span] if len(own) else own
    if own.empty:
        return []
    compared_with_paper = "table_1" in tables or "table_2" in tables
    caption = "p-values by lag, in hours; tinted below 5%, 1% and 0.1%"
    if compared_with_paper:
        caption += "; outlined: the paper says that the series Granger-causes volatility at this lag"
    grid = diagnostics.causality(own, caption, outlined=compared_with_paper)
    return [Printed("granger", "granger", "Which series Granger-cause volatility", grid)]


def _by(loss: str) -> str:
    return "by squared error" if loss != "QLIKE" else "by QLIKE"
