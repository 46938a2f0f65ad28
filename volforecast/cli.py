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
from volforecast.options import (
    HOURS,
    STUDY_OPTIONS,
    add_hourly_options,
    add_hourly_simulator_options,
    add_hurst_options,
    add_panel_options,
    add_run_options,
    add_search_options,
    add_simulator_options,
    add_study_options,
    add_submit_options,
    columns,
    names,
    positive,
    reads,
    summary_of,
)
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
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="volforecast", description="Forecast the realized variance of young assets.")
    parser.add_argument("--version", action="version", version=f"volforecast {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    studies = _studies() if next(iter(words), "") in ("study", "search", "submit", "plan") else {}
    study = commands.add_parser("study", help="compute a study, or continue one")
    computed = study.add_subparsers(required=True, metavar="STUDY")
    submit = commands.add_parser("submit", help="run a study as a job on a Ray cluster, until it has ended")
    submitted = submit.add_subparsers(required=True, metavar="STUDY")
    for name, kind in studies.items():
        run = computed.add_parser(name, help=summary_of(kind), formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        add_study_options(run, kind)
        add_run_options(run)
        run.set_defaults(command=_study, study=name)
        job = submitted.add_parser(name, help=f"see volforecast study {name}")
        add_study_options(job, kind)
        add_run_options(job, where=False)
        add_submit_options(job)
        job.set_defaults(command=_submit, study=name, words=words)

    plan = commands.add_parser("plan", help="say what a study would take: units, core-hours, memory, bytes")
    plan.add_argument("--study", choices=list(studies), default="new-issues", help="default: new-issues")
    add_study_options(plan, *studies.values())
    plan.add_argument("--workers", type=positive, help="CPUs to plan for; default: all of this machine")
    plan.set_defaults(command=_plan)

    search = commands.add_parser("search", help="search the hyperparameters of a study's models, or go on")
    searched = search.add_subparsers(required=True, metavar="STUDY")
    for name, kind in studies.items():
        if hasattr(kind, "searches"):
            trials = searched.add_parser(name, help=f"those of volforecast study {name}")
            add_study_options(trials, kind)
            add_search_options(trials)
            trials.set_defaults(command=_search, study=name)

    report = commands.add_parser("report", help="make tables and report of a results folder again, without refitting")
    report.add_argument("out", metavar="OUT", help="results folder, local or s3://")
    report.add_argument("--latex", action="store_true", help="write every printed table as tables/*.tex, too")
    report.set_defaults(command=_report)

    status = commands.add_parser("status", help="say how far a results folder is, and what failed")
    status.add_argument("out", metavar="OUT", help="results folder, local or s3://")
    status.set_defaults(command=_status)

    explain = commands.add_parser("explain", help="say what served one day's forecasts of a target, and how")
    explain.add_argument("out", metavar="OUT", help="results folder, local or s3://")
    explain.add_argument("--target", required=True, metavar="T", help="a target of the run")
    explain.add_argument("--date", required=True, metavar="YYYY-MM-DD", help="a day that the run forecasts it on")
    explain.add_argument("--model", "--models", type=names, default=(), help="models meant; default: all of the run's")
    explain.add_argument("--rate", type=int, help="inclusion rate meant; default: the models', or 75")
    explain.add_argument(
        "--top", type=int, metavar="N", help="source subsequences listed; default: 10, with --json all"
    )
    explain.add_argument("--panel", metavar="P", help="the panel that the run read: takes HAR forecasts apart")
    explain.add_argument("--columns", type=columns, metavar="asset=unique_id,...", help="as the run was told")
    explain.add_argument("--json", action="store_true", help="print JSON")
    explain.set_defaults(command=_explain)

    simulate = commands.add_parser("simulate", help="write a simulated panel")
    add_simulator_options(simulate)
    simulate.set_defaults(command=_simulate)

    hurst = commands.add_parser("hurst", help="estimate how rough the volatility of a panel's assets is")
    add_hurst_options(hurst)
    hurst.set_defaults(command=_hurst)

    panel = commands.add_parser("panel", help="turn intraday bars into a daily panel")
    add_panel_options(panel)
    panel.set_defaults(command=_panel)

    hourly = commands.add_parser("hourly", help="turn one-minute bars into a table of hours")
    add_hourly_options(hourly)
    hourly.set_defaults(command=_hourly)

    simulated = commands.add_parser("simulate-hourly", help="write a simulated table of hours")
    add_hourly_simulator_options(simulated)
    simulated.set_defaults(command=_simulate_hourly)
    return parser


def _studies() -> dict[str, type[Any]]:
    """All studies by name; only commands that need one wait for the libraries behind it."""
    from volforecast.studies import STUDIES

    return dict(STUDIES)


def _submit(arguments: argparse.Namespace) -> int:
    from cluster.submission import bring_to_end, connect, submit
    from volforecast.job import study_job

    ours = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_submit_options(ours)
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
    from volforecast.api import run
    from volforecast.report.terminal import print_outcome, write_profile

    if arguments.profile and not Path(arguments.profile).absolute().parent.is_dir():
        raise ConfigError(f"--profile: there is no folder for {arguments.profile}; make it first")
    study, panel = _asked(arguments)
    summary = run(
        study,
        panel,
        arguments.out,
        address=arguments.address,
        workers=arguments.workers,
        quiet=arguments.quiet,
        reuse=arguments.reuse,
    ).summary
    assert summary is not None
    print_outcome(arguments.out, summary)
    if arguments.profile and summary.usage is not None:
        write_profile(arguments.profile, summary.usage)
    return DONE if summary.complete and not summary.counts.get("failed") else SOME_FAILED


def _search(arguments: argparse.Namespace) -> int:
    from cluster.search.driver import run_searches
    from cluster.search.space import Asked
    from volforecast.report.terminal_search import print_searched

    study, panel = _asked(arguments)
    asked = Asked(arguments.method, arguments.trials, study.config.seed, arguments.batch)
    searched = run_searches(
        study,
        study.load(panel),
        arguments.out,
        asked,
        address=arguments.address,
        workers=arguments.workers,
        early_stopping=arguments.early_stopping,
        quiet=arguments.quiet,
    )
    print_searched(arguments.out, searched, study)
    return DONE if searched.complete else SOME_FAILED


def _plan(arguments: argparse.Namespace) -> int:
    from volforecast.api import plan
    from volforecast.report.outlook import print_outlook

    found = plan(*_asked(arguments), workers=arguments.workers)
    title = f"{found.study} on {_where(arguments)}: {found.size}"
    print_outlook(title, found.lines, found.fixed, found.speed, found.workers)
    return DONE


def _where(arguments: argparse.Namespace) -> str:
    """Where the data of the study that is asked for lie."""
    option = reads(_studies()[arguments.study])
    path: str | None = getattr(arguments, option)
    if path is None:
        raise ConfigError(f"--{option}: {arguments.study} reads a folder that this option names; give it")
    return path


def _asked(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The study that is asked for and its data."""
    from volforecast.config import load_settings
    from volforecast.data.panel import Columns, read_panel

    kind = _studies()[arguments.study]
    options = {name: getattr(arguments, name) for name in STUDY_OPTIONS}
    if arguments.tuned:
        from cluster.search.outcome import read_best

        options["hyperparameters"] = {name: best for url in arguments.tuned for name, best in read_best(url).items()}
    settings = load_settings(kind.settings_type, arguments.config, options).checked()
    where = _where(arguments)
    if reads(kind) == HOURS:
        from volforecast.data.hourly_files import read_hourly

        return kind(settings), read_hourly(where)
    columns = Columns(**arguments.columns)
    panel = read_panel(
        where,
        columns=columns,
        targets=settings.targets,
        sources=getattr(settings, "sources", ()),
        gaps=arguments.gaps,
        measures=getattr(settings, "measures", ()),
    )
    return kind(settings), panel


def _report(arguments: argparse.Namespace) -> int:
    from cluster.errors import CorruptPartError
    from volforecast.report.page.latex import publish_latex
    from volforecast.report.terminal import print_tables
    from volforecast.results import open_run
    from volforecast.stored import understood

    run = open_run(arguments.out)
    try:
        run.make_report()
        with understood(arguments.out):
            print_tables(arguments.out)
            if arguments.latex:
                print(f"latex:   {run.url}/tables ({publish_latex(run.store, run.plan)} documents *.tex)")
    except CorruptPartError as error:
        print(f"volforecast: {printable(error)}; run the study again to compute it", file=sys.stderr)
        return SOME_FAILED
    return DONE


def _status(arguments: argparse.Namespace) -> int:
    from volforecast.report.terminal import print_status
    from volforecast.results import open_run

    return print_status(open_run(arguments.out).store)


def _explain(arguments: argparse.Namespace) -> int:
    from volforecast.report.explained import print_answer, question

    asked = question(arguments.target, arguments.date, arguments.model, arguments.rate)
    print_answer(arguments.out, asked, arguments.panel, arguments.columns, arguments.top, as_json=arguments.json)
    return DONE


def _simulate(arguments: argparse.Namespace) -> int:
    from volforecast.api import simulate
    from volforecast.config import load_settings
    from volforecast.data.simulate_settings import SimulatorSettings

    names = ("sources", "targets", "source_days", "target_days", "bars_days")
    settings = load_settings(SimulatorSettings, arguments.config, {name: getattr(arguments, name) for name in names})
    simulate(arguments.out, settings, seed=arguments.seed)
    print(
        printable(arguments.out)
        + f": {settings.sources} sources and {settings.targets} targets, {settings.source_days} days"
    )
    return DONE


def _hurst(arguments: argparse.Namespace) -> int:
    from volforecast.data.panel import Columns, read_panel
    from volforecast.roughness.tables import hurst
    from volforecast.roughness.terminal import hurst_json, print_hurst

    if arguments.csv and not Path(arguments.csv).absolute().parent.is_dir():
        raise ConfigError(f"--csv: there is no folder for {arguments.csv}; make it first")
    panel = read_panel(arguments.panel, columns=Columns(**arguments.columns), gaps=arguments.gaps, roles="any")
    found = hurst(panel, arguments.assets, replications=arguments.replications, seed=arguments.seed)
    if found["hurst"].isna().all():
        reason = found["reason"].iloc[0]
        raise InputError(f"{arguments.panel}: no asset has a Hurst exponent ({found['asset'].iloc[0]}: {reason})")
    if arguments.csv:
        found.to_csv(arguments.csv, index=False)
    if arguments.json:
        print(hurst_json(found))
    else:
        print_hurst(found)
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


def _hourly(arguments: argparse.Namespace) -> int:
    from volforecast.data.hourly_write import make_hourly

    built = make_hourly(
        arguments.bars,
        arguments.out,
        asset=arguments.asset,
        sentiment_path=arguments.sentiment,
        books_path=arguments.books,
        first=arguments.first,
        last=arguments.last,
    )
    first, last = built.hours["timestamp"].iloc[[0, -1]]
    print(
        printable(f"{arguments.out}: {len(built.hours):,} hours, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC")
    )
    for reason, count in built.dropped["reason"].value_counts().items():
        print(f"left out: {count:,} ({reason})")
    if built.carried:
        print(f"sentiment: {built.carried} days without a value have that of the day before")
    return DONE


def _simulate_hourly(arguments: argparse.Namespace) -> int:
    from volforecast.config import load_settings
    from volforecast.data.simulate_hourly import HourlySettings, draw_hours, write_simulated_hours

    settings = load_settings(HourlySettings, None, {"hours": arguments.hours, "gaps": arguments.gaps})
    write_simulated_hours(draw_hours(settings, arguments.seed), arguments.out)
    print(printable(f"{arguments.out}: {settings.hours:,} hours, {settings.gaps} gaps"))
    return DONE
