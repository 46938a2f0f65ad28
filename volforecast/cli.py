"""The command ``volforecast``: parse, call, print.

Exit codes: 0 all done; 1 some units failed (they are named); 2 wrong input (one line); 3 the cluster or the store was
lost (run it again when it is back); 130 interrupted (run it again).
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from cluster.errors import ClusterLostError, EngineError, StoreLostError
from volforecast import __version__
from volforecast.errors import ConfigError, InputError
from volforecast.printable import printable

DONE, SOME_FAILED, WRONG_INPUT, LOST, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after ``volforecast``; those of the process when None.

    Returns:
        The exit code.
    """
    arguments = _parser(argv).parse_args(argv)
    try:
        code: int = arguments.command(arguments)
    except (ClusterLostError, StoreLostError) as error:
        print(f"volforecast: {printable(error)}", file=sys.stderr)
        return LOST
    except (InputError, EngineError) as error:
        print(f"volforecast: {printable(error)}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("volforecast: interrupted; what is committed stays, the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of a pipe (`| head`) has gone; nothing more can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code


def command(argv: Sequence[str] | None = None) -> NoReturn:
    """The process: run one command and end with its exit code."""
    code = main(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    if code == LOST:
        os._exit(code)  # a Ray whose head has gone may keep the process from ending
    sys.exit(code)


def _parser(argv: Sequence[str] | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="volforecast", description="Forecast the realized variance of young assets.")
    parser.add_argument("--version", action="version", version=f"volforecast {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    study = commands.add_parser("study", help="compute a study, or continue one")
    studies = study.add_subparsers(required=True, metavar="STUDY")
    new_issues = studies.add_parser(
        "new-issues",
        help="forecasts for new issues and spin-offs by transfer learning (Teller, Pigorsch & Pigorsch 2026)",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_study_options(new_issues)
    _add_run_options(new_issues)
    new_issues.set_defaults(command=_study, study="new-issues")

    submit = commands.add_parser("submit", help="run a study as a job on a Ray cluster, until it has ended")
    submitted = submit.add_subparsers(required=True, metavar="STUDY")
    job = submitted.add_parser("new-issues", help="see volforecast study new-issues")
    _add_study_options(job)
    _add_run_options(job, where=False)
    _add_submit_options(job)
    job.set_defaults(command=_submit, study="new-issues", words=sys.argv[1:] if argv is None else argv)

    plan = commands.add_parser("plan", help="say what a study would take: units, core-hours, memory, bytes")
    plan.add_argument("--study", choices=["new-issues"], default="new-issues", help="default: new-issues")
    _add_study_options(plan)
    plan.add_argument("--workers", type=_positive, help="CPUs to plan for; default: all of this machine")
    plan.set_defaults(command=_plan)

    report = commands.add_parser("report", help="make tables and report of a results folder again, without refitting")
    report.add_argument("out", metavar="OUT", help="results folder, local or s3://")
    report.set_defaults(command=_report)

    status = commands.add_parser("status", help="say how far a results folder is, and what failed")
    status.add_argument("out", metavar="OUT", help="results folder, local or s3://")
    status.set_defaults(command=_status)

    simulate = commands.add_parser("simulate", help="write a simulated panel")
    simulate.add_argument("--out", required=True, metavar="P", help="folder to write, local or s3://")
    simulate.add_argument("--config", metavar="F.toml", help="settings of the simulator")
    for name, meaning in (
        ("sources", "number of source assets"),
        ("targets", "number of listing targets"),
        ("source-days", "trading days of the sources"),
        ("target-days", "trading days of the youngest target"),
        ("bars-days", "trailing days that also get 1-minute bars"),
    ):
        simulate.add_argument(f"--{name}", type=int, metavar="N", help=meaning)
    simulate.add_argument("--seed", type=int, default=1, help="seed of every random draw")
    simulate.set_defaults(command=_simulate)

    panel = commands.add_parser("panel", help="turn intraday bars into a daily panel")
    panel.add_argument(
        "--bars", required=True, metavar="B", help="folder of <ASSET>.parquet, or one file; local or s3://"
    )
    panel.add_argument("--out", required=True, metavar="P", help="panel folder to write, local or s3://")
    panel.add_argument("--assets", metavar="F", help="assets.parquet with names, sectors and roles")
    panel.add_argument("--earnings", metavar="F", help="table of earnings announcements")
    panel.add_argument("--calendar", default="XNYS", help="exchange calendar, or 24/7")
    panel.add_argument("--overwrite", action="store_true", help="replace a panel that is there")
    panel.set_defaults(command=_panel)
    return parser


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    """What a study reads and which part of it is meant."""
    parser.add_argument("--panel", required=True, metavar="P", help="panel folder, local or s3://")
    parser.add_argument("--config", metavar="F.toml", help="settings of the study; options win over it")
    parser.add_argument(
        "--columns",
        type=_columns,
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
    parser.add_argument("--targets", type=_names, help="targets to forecast, A,B,...; default: all of the panel's")
    parser.add_argument("--periods", type=_numbers, help="sample periods, 50,150,...; default: the paper's five")
    parser.add_argument("--models", type=_names, help='models, HAR,"MTL-75 XGB-EXT",...; default: all 30')
    parser.add_argument("--seed", type=int, help="seed of every random draw; default: 1")


def _add_run_options(parser: argparse.ArgumentParser, *, where: bool = True) -> None:
    parser.add_argument("--out", required=True, metavar="O", help="results folder, local or s3://")
    if where:
        parser.add_argument(
            "--address", default=os.environ.get("RAY_ADDRESS"), help="Ray cluster; none starts a private Ray"
        )
        parser.add_argument("--workers", type=_positive, help="CPUs of the private Ray; default: all")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--profile", metavar="F.csv", help="write where the core-seconds went, by kind of unit")


def _add_submit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address",
        default=os.environ.get("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265"),
        metavar="http://HOST:PORT",
        help="the cluster's dashboard; default: RAY_API_SERVER_ADDRESS, or this machine's",
    )
    parser.add_argument(
        "--working-dir", metavar="D", help="checkout to run; default: the package that the cluster has installed"
    )
    parser.add_argument("--attempts", type=_positive, default=3, help="how often it is submitted at most; default: 3")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for its end")


def _submit(arguments: argparse.Namespace) -> int:
    from cluster.submission import bring_to_end, connect, submit
    from volforecast.job import study_job

    ours = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_submit_options(ours)
    ours.add_argument("--config")  # a file of this machine: the job gets a copy of it
    _, words = ours.parse_known_args(arguments.words[2:])
    with study_job(arguments, words) as job:
        client = connect(arguments.address)
        if arguments.no_wait:
            submit(client, job, _say)
            return DONE
        return bring_to_end(client, job, _say, attempts=arguments.attempts)


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


def _study(arguments: argparse.Namespace) -> int:
    from cluster.driver import run_study
    from volforecast.report.terminal import print_outcome, write_profile

    if arguments.profile and not Path(arguments.profile).absolute().parent.is_dir():
        raise ConfigError(f"--profile: there is no folder for {arguments.profile}; make it first")
    study, data = _loaded(arguments)
    summary = run_study(
        study, data, arguments.out, address=arguments.address, workers=arguments.workers, quiet=arguments.quiet
    )
    print_outcome(arguments.out, summary)
    if arguments.profile and summary.usage is not None:
        write_profile(arguments.profile, summary.usage)
    return DONE if summary.complete and not summary.counts.get("failed") else SOME_FAILED


def _plan(arguments: argparse.Namespace) -> int:
    from volforecast.report.outlook import print_outlook
    from volforecast.studies.costs import fixed_costs
    from volforecast.studies.speed import machine_speed

    study, data = _loaded(arguments)
    workers = arguments.workers or os.cpu_count() or 1
    units = study.plan(data).units
    title = f"{study.name} on {arguments.panel}: {len(data.targets):,} targets, {len(data.sources):,} sources"
    lines, fixed = study.outlook(data, units), fixed_costs(data, len(units))
    print_outlook(title, lines, fixed, machine_speed(workers), workers)
    return DONE


def _loaded(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The study that is asked for and its data."""
    from volforecast.config import load_settings
    from volforecast.data.panel import Columns, read_panel
    from volforecast.studies import STUDIES

    study_type = STUDIES[arguments.study]
    options = {name: getattr(arguments, name) for name in ("targets", "periods", "models", "seed")}
    settings = load_settings(study_type.settings_type, arguments.config, options).checked()
    columns = Columns(**arguments.columns)
    panel = read_panel(arguments.panel, columns=columns, targets=settings.targets, gaps=arguments.gaps)
    study = study_type(settings)
    return study, study.load(panel)


def _report(arguments: argparse.Namespace) -> int:
    from cluster.driver import collect
    from cluster.errors import CorruptPartError
    from cluster.store import ResultStore
    from volforecast.report.terminal import print_tables
    from volforecast.studies import STUDIES

    store = ResultStore(arguments.out, create=False)
    plan = store.plan()
    if plan.study not in STUDIES:
        raise ConfigError(f"{arguments.out} holds a study called {plan.study!r}, which this version does not know")
    study_type = STUDIES[plan.study]
    study = study_type(_stored_settings(study_type.settings_type, plan.config, arguments.out))
    try:
        collect(study, store, plan)
        print_tables(arguments.out)
    except CorruptPartError as error:
        print(f"volforecast: {printable(error)}; run the study again to compute it", file=sys.stderr)
        return SOME_FAILED
    except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise ConfigError(
            f"{arguments.out}: what is stored there makes no tables ({type(error).__name__}: {printable(error, 200)}); "
            "it was changed by hand or written by another version: run the study again in another folder"
        ) from error
    return DONE


def _stored_settings(kind: type[Any], stored: dict[str, Any], where: str) -> Any:
    """Settings as a results folder holds them.

    Raises:
        ConfigError: They are not settings of this version.
    """
    import msgspec

    try:
        return msgspec.convert(stored, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{where}/plan.json: {error}; it was written by another version or changed by hand"
        ) from error


def _status(arguments: argparse.Namespace) -> int:
    from cluster.store import ResultStore
    from volforecast.report.terminal import print_status

    return print_status(ResultStore(arguments.out, create=False))


def _simulate(arguments: argparse.Namespace) -> int:
    from volforecast.config import load_settings
    from volforecast.data.simulate import simulate_panel, write_simulated
    from volforecast.data.simulate_settings import SimulatorSettings

    names = ("sources", "targets", "source_days", "target_days", "bars_days")
    settings = load_settings(SimulatorSettings, arguments.config, {name: getattr(arguments, name) for name in names})
    write_simulated(simulate_panel(settings, arguments.seed), arguments.out)
    print(
        printable(arguments.out)
        + f": {settings.sources} sources and {settings.targets} targets, {settings.source_days} days"
    )
    return DONE


def _panel(arguments: argparse.Namespace) -> int:
    from volforecast.data.build import build_panel
    from volforecast.report.terminal import print_built

    built = build_panel(
        arguments.bars,
        arguments.assets,
        arguments.out,
        calendar=arguments.calendar,
        earnings_path=arguments.earnings,
        overwrite=arguments.overwrite,
    )
    print_built(arguments.out, built)
    return DONE


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in _names(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 50,150") from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of CPUs, 1 or more")
    return int(text)


def _columns(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in _names(text)]
    columns = {name.strip(): value.strip() for name, _, value in pairs}
    if len(columns) != len(pairs) or not set(columns) <= {"asset", "date", "rv"} or not all(columns.values()):
        raise argparse.ArgumentTypeError(f"{text!r} does not read asset=...,date=...,rv=...")
    return columns
