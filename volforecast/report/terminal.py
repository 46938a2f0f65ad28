"""What a run prints: tables of relative errors, what failed, how far it is."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.driver import Summary
from cluster.objects import Objects
from cluster.store import ResultStore
from cluster.usage import Usage, peak_memory
from volforecast.data.parquet import from_parquet
from volforecast.evaluation.layout import printed
from volforecast.evaluation.order import ALL
from volforecast.printable import printable
from volforecast.report.page.bitcoin.printed import BITCOIN
from volforecast.report.page.names import is_papers
from volforecast.report.page.rough.printed import ROUGH
from volforecast.report.terminal_bitcoin import print_bitcoin_tables
from volforecast.report.terminal_rough import print_rough_tables

if TYPE_CHECKING:
    from volforecast.data.build import BuiltPanel

GIB = 1 << 30
SHOWN = 20  # names listed before "and N more"


def print_outcome(out: str, summary: Summary) -> None:
    """What a run has come to: its table, what fell back or failed, where everything lies."""
    print_tables(out)
    counts = summary.counts
    total = len(summary.plan.units)
    done = summary.resumed + summary.reused + summary.computed
    reused = f", {summary.reused} were taken over from --reuse" if summary.reused else ""
    print(f"{done} of {total} units are done ({summary.resumed} were before this run{reused}).")
    if counts.get("training rows dropped"):
        print(f"{counts['training rows dropped']:,} training rows lacked a predictor and were left out of EXT fits.")
    if counts.get("fallback"):
        print(f"{counts['fallback']:,} forecasts fell back to the STD model: a predictor was missing on their day.")
    if counts.get("without pairs"):
        print(f"{counts['without pairs']:,} forecasts are the naive one: nothing was known to estimate on.")
    if counts.get("replaced by the insanity filter"):
        print(f"{counts['replaced by the insanity filter']:,} forecasts were replaced by the insanity filter.")
    if counts.get("failed"):
        print(f"{counts['failed']:,} forecasts failed; tables/estimations names them with their reasons.")
    if summary.usage is not None:
        print_usage(summary.usage)
    lines = [f"failed: {failure.name}: {failure.reason} (attempt {count})" for count, failure in summary.failures]
    lines += [f"not computed: {blocked.unit.name} needs {blocked.because.name}" for blocked in summary.blocked]
    for line in lines[:SHOWN]:
        print(printable(line), file=sys.stderr)
    if len(lines) > SHOWN:
        print(f"... and {len(lines) - SHOWN} more: volforecast status {out}", file=sys.stderr)
    if lines:
        print("run the same command again to compute what is missing", file=sys.stderr)


def print_usage(usage: Usage) -> None:
    """What the computing took."""
    print(
        f"{usage.wall:,.0f} s on {usage.cpus} CPUs, {usage.busy:.0%} of them busy: {usage.core_seconds:,.0f} "
        f"core-seconds, {usage.scans:,.0f} of them in source stores."
    )
    if usage.continued:
        print(f"Units that went on from the checkpoint of a killed attempt: {usage.continued:,}.")
    if usage.unkept:
        print(f"a checkpoint could not be kept: {printable(usage.unkept)}", file=sys.stderr)
    peaks = {"a worker": usage.worker_peak, "a source store": usage.store_peak, "the driver": peak_memory()}
    held = ", ".join(f"{peak / GIB:.2f} GiB by {who}" for who, peak in peaks.items() if peak)
    print(f"Most memory held at once: {held} (shared data count in each).")


def write_profile(path: str, usage: Usage) -> None:
    """Core-seconds and number of units by kind of unit, the source stores' in a line of their own."""
    lines = ["unit,units,core_seconds", f"scans,,{usage.scans:.3f}"]
    lines += [f"{group},{usage.units[group]},{seconds:.3f}" for group, seconds in sorted(usage.by_group.items())]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def print_tables(out: str) -> None:
    """Table 3 of a results folder (or what stands in its place), and where the rest lies."""
    objects = Objects(out, create=False)
    study = ResultStore(out, create=False).plan().study if objects.read("plan.json") is not None else ""
    if study == ROUGH:
        print_rough_tables(objects)
        return
    if study == BITCOIN:
        print_bitcoin_tables(objects)
        return
    relative = _relative(objects)
    if relative is None:
        print(f"{objects.url}: no target's sample period is complete yet, so there is no table")
        return
    if relative["period"].nunique() == 2:  # one sample period: all days together are the same days
        relative = relative[relative["period"] != ALL]
    shown = printed(relative, "ratio")
    table = Table(title="Errors relative to the naive forecast (below 1 is better), mean over targets")
    table.add_column("model")
    for column in shown.columns:
        period, loss = map(str, tuple(column))
        heads = "all" if period == ALL else "s=" + period if period.isdecimal() else period, loss
        table.add_column(Text("\n".join(map(printable, heads))), justify="right")
    values = shown.to_numpy(dtype=float)
    papers = np.array([is_papers(str(name)) for name in shown.index])
    best = np.fmin.reduce(np.where(papers[:, None], values, np.nan), axis=0)  # others never compete with the paper's
    previous = ""
    for name, row in zip(map(str, shown.index), values, strict=True):
        if previous and _class(name) != _class(previous):
            table.add_section()
        previous = name
        numbers = ["n/a" if np.isnan(value) else f"{value:.3f}" for value in row]
        cells = [f"[bold]{n}[/bold]" if v == b else n for n, v, b in zip(numbers, row, best, strict=True)]
        table.add_row(Text(printable(name)), *cells)
    # a pipe or a file has no width of its own; the table must not be cut to 80 columns there
    Console(width=None if sys.stdout.isatty() else 20 + 13 * len(shown.columns)).print(table)
    where = objects.url
    if objects.read("report.html") is not None:
        print(f"report:  {where}/report.html")
    print(f"results: {where} (forecasts/, selections/, tables/)")


def _relative(objects: Objects) -> pd.DataFrame | None:
    """Errors relative to NF: of the paper's models and those beside them, or of a first-days run by strategy."""
    for names in (("table_3_extended",), ("table_3",), ("table_6",), ("table_15", "table_16", "table_17")):
        payloads = [objects.read(f"tables/{name}.parquet") for name in names]
        found = [from_parquet(payload).to_pandas() for payload in payloads if payload is not None]
        if found:
            relative: pd.DataFrame = pd.concat(found, ignore_index=True).rename(columns={"strategy": "period"})
            return relative
    return None


def print_status(store: ResultStore) -> int:
    """How far a run is, by kind of unit, and what failed: units, and forecasts within units; 1 if any did, else 0."""
    plan, done, failures = store.plan(), store.committed(), store.failures()
    kinds: dict[str, list[int]] = {}
    for unit in plan.units:
        counts = kinds.setdefault(unit.kind, [0, 0, 0])
        counts[0] += 1
        counts[1] += unit.key in done
        counts[2] += unit.key in failures
    seed, data = str(plan.config.get("seed"))[:20], plan.data[:12]
    print(printable(f"{plan.study} in {store.url}, seed {seed}, data {data}"))
    for kind, (total, finished, failed) in kinds.items():
        print("  " + printable(f"{kind}: {finished} of {total} done" + (f", {failed} failed" if failed else "")))
    for count, failure in sorted(failures.values(), key=lambda entry: entry[1].name):
        print(printable(f"failed: {failure.name}: {failure.reason} (attempts {count})"))
    unmade = _failed_forecasts(store.objects)
    for line in unmade[:SHOWN]:
        print(printable(f"no forecast: {line}"))
    if len(unmade) > SHOWN:
        print(f"... and {len(unmade) - SHOWN:,} more in tables/estimations")
    return 1 if failures or unmade else 0


def _failed_forecasts(objects: Objects) -> list[str]:
    """Asset, period, model, origin and reason of each estimation that came to nothing while its unit was computed."""
    payload = objects.read("tables/estimations.parquet")
    if payload is None:
        return []
    made = from_parquet(payload, ["target", "period", "reason"]).to_pandas()
    failed = made[made["reason"].notna()]
    return [f"{row.target}/{row.period}: {row.reason}" for row in failed.itertuples()]


def print_built(out: str, built: "BuiltPanel") -> None:
    """What became of intraday bars."""
    dropped: Any = built.dropped
    print(printable(f"{out}: {built.daily['asset'].nunique()} assets, {len(built.daily):,} days"))
    for row in dropped.head(SHOWN).itertuples():
        # an asset without any bars is left out as a whole, without a day
        day = "" if pd.isna(row.date) else f" {row.date:%Y-%m-%d}"
        print("  " + printable(f"left out: {row.asset}{day}: {row.reason}"))
    if len(built.dropped) > SHOWN:
        print(f"  ... and {len(built.dropped) - SHOWN} more days left out")


def _class(model: str) -> str:
    return model.partition(" ")[2].partition("-")[0]
