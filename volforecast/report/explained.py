"""``volforecast explain``: what served one forecast day of a finished or half-finished run."""

import datetime as dt
import json
import sys
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.store import ResultStore
from volforecast.data.panel import Columns, read_panel
from volforecast.errors import ConfigError, PanelError
from volforecast.printable import printable
from volforecast.stored import understood
from volforecast.studies.decomposition import Decomposition
from volforecast.studies.explain import Explanation, Question, explain
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.transfer.selection import INCLUSION_RATES

SHOWN = 10  # source subsequences, unless asked for more
WIDTH = 110  # of a pipe or a file, which has none of its own
UNIT = "per cent squared"


def question(target: str, date: str, models: tuple[str, ...] = (), rate: int | None = None) -> Question:
    """A question in words.

    Raises:
        ConfigError: The date is none.
    """
    try:
        return Question(target, dt.date.fromisoformat(date), models, rate)
    except ValueError as error:
        raise ConfigError(f"--date: {printable(date)} is not a day; write it like 2008-09-15") from error


def explain_folder(
    out: str, asked: Question, panel: str | None = None, columns: dict[str, str] | None = None
) -> Explanation:
    """Explain a forecast day of a results folder.

    Args:
        out: Results folder, local or ``s3://``.
        asked: What is asked.
        panel: The panel folder that the run read; None leaves HAR forecasts whole.
        columns: Names of the panel's columns where they differ.

    Raises:
        ConfigError: The folder holds another study, the panel is another one, or there is no answer
            (:func:`volforecast.studies.explain.explain`).
        cluster.errors.EngineError: The folder cannot be read.
    """
    store = ResultStore(out, create=False)
    plan = store.plan()
    if plan.study != NewIssues.name:
        raise ConfigError(f"{out} holds the study {plan.study}; explain answers for {NewIssues.name}")
    try:
        study = NewIssues(msgspec.convert(plan.config, NewIssuesConfig))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{out}/plan.json: {error}; it was written by another version or changed by hand") from error
    market = None
    if panel is not None:
        # days that an asset lacks are the run's business: the fingerprint says whether this is what it read
        try:
            found = read_panel(
                panel,
                columns=Columns(**columns or {}),
                targets=study.config.targets,
                gaps="allow",
                measures=study.config.measures,
            )
        except PanelError as error:
            raise ConfigError(f"--panel: {panel} is not what the run read: {error}") from error
        if found.fingerprint != plan.data:
            raise ConfigError(
                f"--panel: {panel} is not what the run read (fingerprint {found.fingerprint[:12]}, the run's is "
                f"{plan.data[:12]}); its models cannot be estimated again on other data: give the run's own panel"
            )
        market = study.load(found)
    with understood(out):
        return explain(study, plan, lambda unit: store.load(unit.key), asked, market)


def print_answer(
    out: str,
    asked: Question,
    panel: str | None = None,
    columns: dict[str, str] | None = None,
    top: int | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Print what :func:`explain_folder` finds, for people or as JSON; ``top`` is how many subsequences are listed.

    Raises:
        ConfigError: As there; or ``top`` is no number of subsequences.
    """
    if top is not None and top < 1:
        raise ConfigError(f"--top: {top} is not a number of source subsequences; give 1 or more")
    found = explain_folder(out, asked, panel, columns)
    if as_json:
        print(to_json(found, top))
    else:
        print_explanation(found, top or SHOWN)


def to_json(found: Explanation, top: int | None = None) -> str:
    """An explanation for programs: names and units as in :class:`~volforecast.studies.explain.Explanation`.

    Args:
        found: The explanation.
        top: Most source subsequences wanted; all of them when None.
    """
    fields = {name: getattr(found, name) for name in found.__dataclass_fields__}
    if found.windows is not None and top is not None:
        fields["windows"] = found.windows.head(top)
    fields["decompositions"] = [vars(one) for one in found.decompositions]
    return json.dumps(_plain(fields), indent=2, allow_nan=False)


def print_explanation(found: Explanation, top: int = SHOWN) -> None:
    """The same for people.

    Args:
        found: The explanation.
        top: How many of the nearest source subsequences are listed.
    """
    # a pipe or a file has no width of its own; the tables must not be cut to 80 columns there
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    print(
        printable(
            f"{found.target} on {found.date}: its trading day {found.day}, sample period {found.period}, served by the "
            f"estimations at the close of day {found.origin}; realized variance {found.realized:.4f} {UNIT}"
        )
    )
    console.print(_forecasts(found))
    for row in found.forecasts.dropna(subset="reason").to_dict("records"):
        print(printable(f"no forecast: {row['reason']}"))
    if found.missing:
        print(printable(f"not computed yet, or failed: {', '.join(found.missing)}"))
    if found.sources is not None and found.windows is not None:
        console.print(_sources(found.sources, found.rate))
        console.print(_windows(found.windows, top))
        if len(found.windows) and found.windows["end"].isna().all():
            print("(--panel gives the last days of these subsequences, and takes HAR forecasts apart)")
    for one in found.decompositions:
        print()
        print(printable(_told(one)))
        console.print(_terms(one))
        console.print(_labels(one))


def _forecasts(found: Explanation) -> Table:
    table = _table(f"Forecasts ({UNIT})", "model", ["forecast", "forecast - realized", "status", "training rows"])
    for row in found.forecasts.to_dict("records"):
        rows = "" if row["train_rows"] == 0 else f"{row['train_rows']:,}"
        _add(table, row["model"], [_number(row["forecast"]), _number(row["error"]), row["status"], rows])
    return table


def _sources(sources: pd.DataFrame, rate: int) -> Table:
    title = f"Training rows of MTL-{rate} models"
    table = _table(title, "source", ["subsequences", "taken", "rows", "weight"])
    for row in sources.to_dict("records"):
        own = bool(row["own"])
        cells = ["", ""] if own else [f"{row['windows']:,}", f"{row['taken']:,}"]
        _add(table, _owner(row["asset"], own), [*cells, f"{row['rows']:,}", f"{row['weight']:.1%}"])
    return table


def _windows(windows: pd.DataFrame, top: int) -> Table:
    title = f"The nearest {min(top, len(windows)):,} of {len(windows):,} source subsequences, and which rates took them"
    table = _table(title, "source", ["first day", "last day", f"distance ({UNIT})", *map(str, INCLUSION_RATES)])
    for row in windows.head(top).to_dict("records"):
        days = ["" if pd.isna(row[name]) else f"{row[name]:%Y-%m-%d}" for name in ("start", "end")]
        taken = ["yes" if row[f"selected_{rate}"] else "no" for rate in INCLUSION_RATES]
        _add(table, row["asset"], [*days, _number(row["distance"]), *taken])
    return table


def _told(one: Decomposition) -> str:
    """How a forecast came about, in words."""
    told = f"{one.model}, estimated again: {one.again:.6g}"
    told += ", the stored forecast" if one.agrees else f", but {one.stored:.6g} is stored: other versions made the run"
    if one.served != one.model:
        told += f"; a predictor of the day is missing, so {one.served} answers"
    if one.instead:
        what = {"floor": "the smallest of the target's so far", "insanity filter": "the mean of the training labels"}
        told += f"; least squares says {one.fitted:.6g}, and in its place stands {what[one.instead]} ({one.instead})"
    return told


def _terms(one: Decomposition) -> Table:
    table = _table("Coefficient times predictor", "term", ["coefficient", "predictor", "contribution"])
    for row in one.terms.to_dict("records"):
        value = "" if row["term"] == "intercept" else f"{row['value']:.6g}"
        _add(table, row["term"], [f"{row['coefficient']:.6g}", value, _number(row["contribution"])])
    _sum(table, ["", "", _number(one.terms["contribution"].sum())])
    return table


def _labels(one: Decomposition) -> Table:
    title = "The same forecast as a weighted sum of the training labels"
    table = _table(title, "labels of", ["rows", "sum of weights", "contribution"])
    for row in one.labels.to_dict("records"):
        cells = [f"{row['rows']:,}", f"{row['weight']:.4f}", _number(row["contribution"])]
        _add(table, _owner(row["asset"], bool(row["own"])), cells)
    total = one.labels[["rows", "weight", "contribution"]].sum()
    _sum(table, [f"{int(total['rows']):,}", f"{total['weight']:.4f}", _number(total["contribution"])])
    return table


def _table(title: str, first: str, heads: list[str]) -> Table:
    table = Table(title=title)
    table.add_column(first)
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _add(table: Table, name: object, cells: list[str]) -> None:
    table.add_row(*(Text(printable(cell)) for cell in (name, *cells)))


def _sum(table: Table, cells: list[str]) -> None:
    table.add_section()
    _add(table, "sum", cells)


def _owner(asset: object, own: bool) -> str:
    return f"{asset} (the target)" if own else str(asset)


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.4f}"


def _plain(value: Any) -> Any:
    """Frames as lists of rows, days as text, what is not known as null."""
    if isinstance(value, pd.DataFrame):
        return [_plain(row) for row in value.to_dict("records")]
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or value is pd.NaT or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, dt.date):  # a datetime is one, too
        return f"{value:%Y-%m-%d}"
    return value.item() if isinstance(value, np.generic) else value
