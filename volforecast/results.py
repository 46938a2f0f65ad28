"""What a run has left behind, to be read from Python: forecasts, selections, tables, failures, plots."""

import datetime as dt
import html
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import pandas as pd
import pyarrow as pa

from cluster.objects import Objects
from cluster.store import READERS, ResultStore
from cluster.study import Plan
from volforecast.data.parquet import from_parquet
from volforecast.errors import ConfigError, InputError
from volforecast.printable import printable
from volforecast.stored import stored_settings, understood

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cluster.driver import Summary
    from volforecast.data.panel import Columns
    from volforecast.studies.explain import Explanation

FAILURE_COLUMNS = ["unit", "kind", "reason", "attempts"]


class Progress(NamedTuple):
    """How far the units of one kind are."""

    units: int
    done: int
    failed: int


class Run:
    """A results folder, local or on S3. What it holds is read when it is asked for, and anew each time.

    Args:
        store: The folder.
        summary: How the run ended, where this process has run it.

    Attributes:
        url: Where the folder lies.
        store, summary: As given.
    """

    def __init__(self, store: ResultStore, summary: "Summary | None" = None) -> None:
        self.store = store
        self.url = store.url
        self.summary = summary

    def __repr__(self) -> str:
        return f"<volforecast run in {self.url}>"

    def _repr_html_(self) -> str:
        """The same for a notebook, with how far it is."""
        rows = [(kind, *progress) for kind, progress in self.status().items()]
        table = pd.DataFrame(rows, columns=["", *Progress._fields]).to_html(index=False, border=0)
        return f"<b>{html.escape(printable(self.plan.study))}</b> in {html.escape(printable(self.url))}{table}"

    @cached_property
    def plan(self) -> Plan:
        """What was asked: study, settings, data fingerprint, versions, units.

        Raises:
            cluster.errors.StoreError: No run was started here, or the folder cannot be reached.
        """
        return self.store.plan()

    def status(self) -> dict[str, Progress]:
        """How far the run is, by kind of unit."""
        done, failed = self.store.committed(), self.store.failures()
        found: dict[str, Progress] = {}
        for unit in self.plan.units:
            units, finished, lost = found.get(unit.kind, (0, 0, 0))
            found[unit.kind] = Progress(units + 1, finished + (unit.key in done), lost + (unit.key in failed))
        return found

    @property
    def complete(self) -> bool:
        """Whether every unit is done."""
        return all(progress.done == progress.units for progress in self.status().values())

    @property
    def failures(self) -> pd.DataFrame:
        """Units that failed and are not done since: ``unit, kind, reason, attempts``.

        Single estimations that came to nothing within a unit are in ``tables["estimations"]``, with their ``reason``.
        """
        ledger = sorted(self.store.failures().values(), key=lambda entry: entry[1].name)
        rows = [(failure.name, failure.kind, failure.reason, count) for count, failure in ledger]
        return pd.DataFrame(rows, columns=FAILURE_COLUMNS)

    @property
    def forecasts(self) -> pd.DataFrame:
        """A row each target, day and model: ``target, period, origin, date, model, forecast, realized, status``.

        Forecast and realized variance are in per cent squared; ``origin`` is the number of the target's trading days
        known when the model was estimated, ``date`` the day that is forecast, ``status`` is ``ok``, ``fallback`` (a
        predictor was missing on that day: the STD model's forecast) or ``failed`` (there is none).

        Of a rough-transfer run ``target, horizon, model, seed, date, forecast, realized, status``: the mean of log
        variance (natural logarithm of the decimal variance) over ``horizon`` days, of which ``date`` is the last.

        Of a bitcoin-mixture run ``mode, iteration, model, seed, timestamp, forecast, realized, status``: volatility of
        the hour after ``timestamp``, ``vol / 100``.

        Raises:
            InputError: Nothing is published yet.
        """
        names = self.store.objects.names("forecasts")
        if not names:
            raise InputError(
                f"{self.url}: no forecasts are published yet; let the run come to its end, or call make_report() for "
                "the targets and periods that are complete"
            )
        return self._tables([f"forecasts/{name}" for name in names])

    def selections(self, target: str) -> pd.DataFrame:
        """Source subsequences that a target was compared with, and which inclusion rates selected them.

        Args:
            target: Its name.

        Returns:
            ``target, period, origin, asset, start, distance, selected_25, selected_50, selected_75``: ``start`` is the
            date of the subsequence's first row, ``distance`` in per cent squared. Of a first-days run a row each origin
            and source, as :mod:`volforecast.studies.first_days_selections` describes it.

        Raises:
            InputError: None is published: the target is not part of the run, or no model of it transfers.
        """
        begins = quote(target, safe="") + "-"
        names = [name for name in self.store.objects.names("selections") if name.startswith(begins)]
        table = self._tables([f"selections/{name}" for name in names]) if names else pd.DataFrame({"target": []})
        table = table[table["target"] == target].reset_index(drop=True)  # of A there are A-50 and A-B-50
        if not len(table):
            raise InputError(
                f"{self.url}: no selections of {printable(target)}; check the target's name, and whether the run has "
                "MTL models and has come to its end"
            )
        return table

    @property
    def tables(self) -> "Tables":
        """The comparison tables by name, such as ``table_3``, ``table_4``, ``confidence_sets``, ``estimations``."""
        return Tables(self.store.objects)

    @property
    def report_path(self) -> str:
        """Where the report lies: one HTML page.

        Raises:
            InputError: There is none yet.
        """
        if not self.store.objects.exists("report.html"):
            raise InputError(f"{self.url}: no report yet; let the run come to its end, or call make_report()")
        return f"{self.url}/report.html"

    def make_report(self) -> None:
        """Publish forecasts, tables and report again from the committed units, without a fit.

        Raises:
            cluster.errors.CorruptPartError: A part was damaged; it has been set aside: run the study again to compute
                it.
            ConfigError: The folder was written by another version, or changed by hand.
        """
        from cluster.driver import collect
        from volforecast.studies import STUDIES

        plan = self.plan
        if plan.study.startswith("search:"):
            raise ConfigError(f"{self.url} holds a search, which has no report; its trials are in tables/trials.csv")
        if plan.study not in STUDIES:
            raise ConfigError(f"{self.url} holds a study called {plan.study!r}, which this version does not know")
        study_type = STUDIES[plan.study]
        study = study_type(stored_settings(study_type.settings_type, plan.config, self.url))
        with understood(self.url):
            collect(study, self.store, plan)

    def explain(
        self,
        target: str,
        date: str | dt.date,
        models: tuple[str, ...] = (),
        *,
        rate: int | None = None,
        panel: str | None = None,
        columns: "Columns | None" = None,
    ) -> "Explanation":
        """Say what served a target's forecasts of one day, and, with the panel, how those of HAR models are made up.

        Args:
            target: Its name.
            date: A day that is forecast, ``2024-12-31`` if it is text.
            models: Names or words as for ``--models``; all of the run's when empty.
            rate: The inclusion rate that is looked into; None takes that of the models.
            panel: The folder of the panel that the run read; None leaves HAR forecasts whole.
            columns: Names of the panel's required columns where they differ.

        Raises:
            ConfigError: The run has no such target, day or model, the panel is another one, or the study is not
                ``new-issues``.
        """
        from volforecast.report.explained import explain_folder, question

        asked = question(target, str(date)[:10], models, rate)
        return explain_folder(self.url, asked, panel, None if columns is None else asdict(columns))

    def plot_forecast(self, target: str, model: str | None = None, ax: "Axes | None" = None) -> "Axes":
        """Realized variance of a target and a model's forecasts of it, by date, on a log scale.

        Of a rough-transfer run log variance at its shortest horizon, beside HAR's forecasts; a network's are the mean
        over its seeds, and without a model those of Transfer LSTM are shown.

        Args:
            target: Its name.
            model: Its name; None takes the one with the smallest mean squared error on this target, in hindsight.
            ax: Where to draw; None makes a figure.

        Raises:
            InputError: There are no such forecasts; those of a bitcoin-mixture run are shown by :meth:`plot_spike`.
        """
        from volforecast.evaluation.rough_order import HAR, TRANSFER_LSTM
        from volforecast.report.figures import forecast_figure
        from volforecast.report.figures_rough import prediction_figure

        forecasts = self.forecasts
        if "iteration" in forecasts:
            raise InputError(f"{self.url}: a run of hours has no targets; call plot_spike or plot_gates")
        if "horizon" in forecasts:
            models = dict.fromkeys([model or TRANSFER_LSTM, HAR])
            return prediction_figure(forecasts, target, int(forecasts["horizon"].min()), tuple(models), ax)
        return forecast_figure(forecasts, target, model, ax)

    def plot_history(self, target: str, models: tuple[str, ...] = ("Transfer LSTM", "LSTM")) -> "Figure":
        """Learning curves of a rough-transfer run: losses by epoch on the sources and on a target.

        Args:
            target: Its name; one of those whose curves are in ``tables["curves"]``.
            models: Networks trained on the target.

        Raises:
            InputError: There are no such curves.
        """
        from volforecast.report.figures_rough import history_figure

        return history_figure(self.tables, target, models=models)

    def plot_roughness(self, source: str, target: str, method: str = "Wavelet") -> "Figure":
        """Log variance of two assets of a rough-transfer run, and how it scales: what their Hurst exponents rest on.

        Args:
            source: An asset.
            target: Another one.
            method: ``R/S``, ``DFA``, ``Variogram`` or ``Wavelet``.

        Raises:
            InputError: The run lacks the tables, or the assets.
        """
        from volforecast.report.figures_rough import roughness_figure

        return roughness_figure(self.tables, source, target, method)

    def plot_gates(
        self, model: str = "TM-G", iterations: tuple[int, ...] = (1, 6), mode: str | None = None
    ) -> "Figure":
        """Forecasts of a mixture and the weights of its components over time, of a bitcoin-mixture run.

        Args:
            model: A mixture.
            iterations: Intervals shown, one beside the other.
            mode: ``clean`` or ``paper``; None takes the first of the run's.

        Raises:
            InputError: The run has no such forecasts or gates.
        """
        from volforecast.report.figures_bitcoin import gating_figure

        return gating_figure(self.forecasts, self.tables, model, iterations, mode)

    def plot_spike(
        self,
        models: tuple[str, ...] = ("LSTM", "HAR"),
        iteration: int | None = None,
        mode: str | None = None,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """The most volatile hour of a bitcoin-mixture run, and what models forecast around it.

        Args:
            models: Their names.
            iteration: The interval whose hour is meant; None takes the most volatile of all.
            mode: ``clean`` or ``paper``; None takes the first of the run's.
            ax: Where to draw; None makes a figure.

        Raises:
            InputError: The run has no such forecasts.
        """
        from volforecast.report.figures_bitcoin import spike_figure

        return spike_figure(self.forecasts, models, iteration, mode, ax)

    def plot_errors(self, loss: str = "MSE", ax: "Axes | None" = None) -> "Axes":
        """Errors of all models relative to the naive forecast, all periods together: table 3 as a plot.

        Args:
            loss: ``MSE``, ``MAE`` or ``QLIKE``.
            ax: Where to draw; None makes a figure.

        Raises:
            InputError: The run has no table 3, or it has no such loss.
        """
        from volforecast.report.figures import error_figure

        return error_figure(self.tables["table_3"], loss, ax)

    def _tables(self, paths: list[str]) -> pd.DataFrame:
        def read(path: str) -> pa.Table:
            payload = self.store.objects.read(path)
            if payload is None:  # removed between the listing and now
                raise InputError(f"{self.url}/{path} has gone; call make_report() to publish it again")
            return from_parquet(payload)

        with ThreadPoolExecutor(READERS) as pool:  # one by one, hundreds on S3 would take minutes
            frame: pd.DataFrame = pa.concat_tables(pool.map(read, paths)).to_pandas(date_as_object=False)
        return frame


def open_run(out: str | Path) -> Run:
    """Open a results folder, whether its run has come to an end or not; nothing is computed or written.

    Args:
        out: Results folder, local or ``s3://``.

    Raises:
        cluster.errors.StoreError: No run was started there, or it cannot be reached.
    """
    run = Run(ResultStore(str(out), create=False))
    _ = run.plan  # now, not at the first question, is the time to say that there is none
    return run


class MissingTableError(InputError, KeyError):
    """A run has no table of that name."""

    __str__ = Exception.__str__  # a KeyError would put the line in quotes


class Tables(Mapping[str, pd.DataFrame]):
    """The tables of a run by name; each is read when it is asked for."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def __getitem__(self, name: str) -> pd.DataFrame:
        payload = self._objects.read(f"tables/{name}.parquet") if name in self._names() else None
        if payload is None:
            there = ", ".join(self._names()) or "none yet: let the run come to its end, or call make_report()"
            raise MissingTableError(f"{self._objects.url}: no table {printable(name)}; there are {there}")
        frame: pd.DataFrame = from_parquet(payload).to_pandas()
        return frame

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return f"<tables {', '.join(self._names())}>"

    def _names(self) -> list[str]:
        names = self._objects.names("tables")
        return [name.removesuffix(".parquet") for name in names if name.endswith(".parquet")]
