"""The options of ``volforecast``: those that several commands share, and what their words mean."""

import argparse
import datetime as dt
import os
import sys
from typing import Any

from msgspec.structs import fields

PANEL, HOURS = "panel", "data"  # what a study reads, and the option that says where it lies
# settings that every study may have and that have an option of their own; all others stand in its --config
STUDY_OPTIONS = ("mode", "sources", "targets", "periods", "horizons", "models", "seeds", "seed")


def add_study_options(parser: argparse.ArgumentParser, *studies: type[Any]) -> None:
    """What a study reads and which part of it is meant.

    Args:
        parser: Of a command.
        studies: Those it is for; it gets the options that are settings of one of them.
    """
    kinds = {reads(study) for study in studies}
    if HOURS in kinds:
        parser.add_argument(
            "--data",
            required=len(kinds) == 1,
            metavar="D",
            help="folder with a table of hours (volforecast hourly), local or s3://",
        )
    if PANEL in kinds:
        parser.add_argument("--panel", required=len(kinds) == 1, metavar="P", help="panel folder, local or s3://")
        parser.add_argument(
            "--columns",
            type=columns,
            default={},
            metavar="asset=unique_id,date=ds,rv=y",
            help="names of the panel's columns where they differ",
        )
        parser.add_argument(
            "--gaps",
            choices=("error", "allow"),
            default="error",
            help="what to do where an asset lacks a day on which most of the panel trades",
        )
    parser.add_argument("--config", metavar="F.toml", help="settings of the study; options win over it")
    known = {field.name for study in studies for field in fields(study.settings_type)}
    if "hyperparameters" in known:
        parser.add_argument(
            "--tuned",
            type=names,
            default=(),
            metavar="URL,...",
            help="folders of volforecast search: what they have found is taken and not searched for again",
        )
    else:
        parser.set_defaults(tuned=())
    options: dict[str, dict[str, Any]] = {
        "mode": {"choices": ("clean", "paper", "both"), "help": "one clock, or the authors' protocol; default: clean"},
        "sources": {"type": names, "help": "assets to learn from, A,B,...; default: the panel's sources"},
        "targets": {"type": names, "help": "targets to forecast, A,B,...; default: all of the panel's"},
        "periods": {"type": numbers, "help": "sample periods, 50,150,...; default: the paper's"},
        "horizons": {"type": numbers, "help": "days ahead, 1,5,22; default: 1"},
        "models": {"type": names, "help": 'models, HAR,"MTL-75 XGB-EXT",...; default: the paper\'s'},
        "seeds": {"type": positive, "help": "networks of each model that differ by their seed only; default: 5"},
        "seed": {"type": int, "help": "seed of every random draw; default: 1"},
    }
    for name in STUDY_OPTIONS:
        if name in known:
            spellings = ("--source", "--sources") if name == "sources" else (f"--{name}",)
            parser.add_argument(*spellings, dest=name, **options[name])
        else:
            parser.set_defaults(**{name: None})


def reads(study: type[Any]) -> str:
    """The option that says where a study's data lie: of daily studies a panel's folder."""
    return HOURS if hasattr(study, "reads") else PANEL


def add_run_options(parser: argparse.ArgumentParser, *, where: bool = True) -> None:
    """Where results go, and, for a run from here, where it runs."""
    parser.add_argument("--out", required=True, metavar="O", help="results folder, local or s3://")
    if where:
        parser.add_argument(
            "--address", default=os.environ.get("RAY_ADDRESS"), help="Ray cluster; none starts a private Ray"
        )
        parser.add_argument("--workers", type=positive, help="CPUs of the private Ray; default: all")
    parser.add_argument(
        "--reuse",
        type=names,
        default=(),
        metavar="URL,...",
        help="other results folders, local or s3://: what they hold of this study is taken from there, not computed",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--profile", metavar="F.csv", help="write where the core-seconds went, by kind of unit")


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """How hyperparameters are searched, where the trials go, and where they run."""
    parser.add_argument("--out", required=True, metavar="O", help="results folder, local or s3://")
    parser.add_argument(
        "--trials", type=positive, default=20, metavar="N", help="points tried for each search; default: 20"
    )
    parser.add_argument(
        "--method", choices=("tpe", "random", "grid"), default="tpe", help="default: tpe; grid tries every point"
    )
    parser.add_argument(
        "--batch", type=positive, default=4, metavar="B", help="points that tpe proposes at a time; default: 4"
    )
    parser.add_argument(
        "--no-early-stopping", dest="early_stopping", action="store_false", help="let every trial come to its end"
    )
    parser.add_argument(
        "--address", default=os.environ.get("RAY_ADDRESS"), help="Ray cluster; none starts a private Ray"
    )
    parser.add_argument("--workers", type=positive, help="CPUs of the private Ray; default: all")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def add_submit_options(parser: argparse.ArgumentParser) -> None:
    """How a job gets to a cluster."""
    parser.add_argument(
        "--address",
        default=os.environ.get("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265"),
        metavar="http://HOST:PORT",
        help="the cluster's dashboard; default: RAY_API_SERVER_ADDRESS, or this machine's",
    )
    parser.add_argument(
        "--working-dir", metavar="D", help="checkout to run; default: the package that the cluster has installed"
    )
    parser.add_argument("--attempts", type=positive, default=3, help="how often it is submitted at most; default: 3")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for its end")


def add_simulator_options(parser: argparse.ArgumentParser) -> None:
    """How large a simulated panel is."""
    parser.add_argument("--out", required=True, metavar="P", help="folder to write, local or s3://")
    parser.add_argument("--config", metavar="F.toml", help="settings of the simulator")
    for name, meaning in (
        ("sources", "number of source assets"),
        ("targets", "number of listing targets"),
        ("source-days", "trading days of the sources"),
        ("target-days", "trading days of the youngest target"),
        ("bars-days", "trailing days that also get 1-minute bars"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=meaning)
    parser.add_argument("--seed", type=int, default=1, help="seed of every random draw")


def add_panel_options(parser: argparse.ArgumentParser) -> None:
    """What a panel is made of."""
    parser.add_argument(
        "--bars", required=True, metavar="B", help="folder of <ASSET>.parquet, or one file; local or s3://"
    )
    parser.add_argument("--out", required=True, metavar="P", help="panel folder to write, local or s3://")
    parser.add_argument("--assets", metavar="F", help="assets.parquet with names, sectors and roles")
    parser.add_argument("--earnings", metavar="F", help="table of earnings announcements")
    parser.add_argument("--calendar", default="XNYS", help="exchange calendar, or 24/7")
    parser.add_argument("--overwrite", action="store_true", help="replace a panel that is there")


def add_hourly_options(parser: argparse.ArgumentParser) -> None:
    """What a table of hours is made of."""
    parser.add_argument(
        "--bars", required=True, metavar="B", help="one-minute bars: folder of <ASSET>.parquet, or one file"
    )
    parser.add_argument("--out", required=True, metavar="D", help="folder to write, local or s3://")
    parser.add_argument("--asset", metavar="A", help="which asset of the bars; default: the only one")
    parser.add_argument("--sentiment", metavar="F", help="table of Fear & Greed by the day: date, value (0 to 100)")
    parser.add_argument(
        "--books", metavar="S", help="Parquet of order-book snapshots: timestamp, side (bid, ask), price, volume"
    )
    for name, stored, meaning in (("--from", "first", "first"), ("--to", "last", "last")):
        parser.add_argument(
            name, dest=stored, type=day, metavar="YYYY-MM-DD", help=f"{meaning} day (UTC); default: all"
        )


def add_hourly_simulator_options(parser: argparse.ArgumentParser) -> None:
    """How large a simulated table of hours is."""
    parser.add_argument("--out", required=True, metavar="D", help="folder to write, local or s3://")
    parser.add_argument("--hours", type=int, metavar="N", help="rows; default: 2600")
    parser.add_argument("--gaps", type=int, metavar="K", help="times at which hours are missing; default: 4")
    parser.add_argument("--seed", type=int, default=1, help="seed of every random draw")


def add_hurst_options(parser: argparse.ArgumentParser) -> None:
    """Whose roughness, and how its uncertainty is found."""
    parser.add_argument("panel", metavar="PANEL", help="panel folder, local or s3://")
    parser.add_argument("--assets", type=names, default=(), metavar="A,B", help="assets meant; default: all")
    parser.add_argument("--columns", type=columns, default={}, metavar="asset=unique_id,...", help="names of columns")
    parser.add_argument("--gaps", choices=("error", "allow"), default="allow", help="days that an asset lacks")
    parser.add_argument(
        "--replications", type=int, default=200, metavar="N", help="resampled series behind a standard error"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the resampling")
    parser.add_argument("--csv", metavar="FILE", help="write the table with intervals, too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def summary_of(study: type[Any]) -> str:
    """The first line of what a study's module says of itself, as a help text."""
    first = (sys.modules[study.__module__].__doc__ or study.__name__).splitlines()[0]
    return first.rstrip(".").replace("%", "%%")


def names(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers between commas."""
    try:
        return tuple(int(number) for number in names(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 50,150") from error


def day(text: str) -> dt.date:
    """A date."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2018-02-01") from error


def positive(text: str) -> int:
    """A number of CPUs or attempts."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of CPUs, 1 or more")
    return int(text)


def columns(text: str) -> dict[str, str]:
    """Our names of columns and the panel's."""
    pairs = [pair.partition("=") for pair in names(text)]
    found = {name.strip(): value.strip() for name, _, value in pairs}
    if len(found) != len(pairs) or not set(found) <= {"asset", "date", "rv"} or not all(found.values()):
        raise argparse.ArgumentTypeError(f"{text!r} does not read asset=...,date=...,rv=...")
    return found
