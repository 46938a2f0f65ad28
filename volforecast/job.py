"""A study as a job for a Ray cluster: its command, the files that travel with it, and how far its results are."""

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.store import ResultStore
from cluster.submission import Job, Standing
from volforecast.config import load_settings
from volforecast.errors import ConfigError
from volforecast.options import STUDY_OPTIONS, reads
from volforecast.studies import STUDIES

LEFT_OUT = [".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"]


@contextmanager
def study_job(arguments: argparse.Namespace, words: Sequence[str]) -> Iterator[Job]:
    """The job that runs ``words``; the files that it takes along are there for as long as the block lasts.

    Args:
        arguments: Options of ``volforecast submit``, parsed.
        words: Those of them that the job is to have.

    Raises:
        ConfigError: A setting is wrong, or a path means nothing to the cluster's machines. The panel is not looked at:
            only the cluster may be able to reach it.
    """
    study = STUDIES[arguments.study]
    options = {name: getattr(arguments, name) for name in STUDY_OPTIONS}
    load_settings(study.settings_type, arguments.config, options).checked()
    paths = [(option, getattr(arguments, option)) for option in (reads(study), "out", "profile")]
    others = [(option, url) for option in ("reuse", "tuned") for url in getattr(arguments, option)]
    for option, path in (*paths, *others):
        if path is not None and "://" not in path and not Path(path).is_absolute():
            raise ConfigError(f"--{option}: {path} would lie in the job's own folder; give an s3:// or absolute path")
    with tempfile.TemporaryDirectory() as folder:
        command, runtime_env = list(words), _runtime_env(arguments, folder)
        if arguments.config is not None:
            command += ["--config", _taken_along(arguments.config, arguments.working_dir, folder)]
        module = f"jobs.{arguments.study.replace('-', '_')}"
        yield Job(("python", "-m", module, *command), runtime_env, lambda: standing(arguments.out))


def standing(out: str) -> Standing:
    """How far the run in a results folder is.

    Raises:
        StoreError: There is none yet, or it cannot be reached.
    """
    store = ResultStore(out, create=False)
    keys = {unit.key for unit in store.plan().units}
    return Standing(len(keys & store.committed()), len(keys))


def _runtime_env(arguments: argparse.Namespace, folder: str) -> dict[str, Any]:
    if arguments.working_dir is not None:
        if not (Path(arguments.working_dir) / "jobs").is_dir():
            raise ConfigError(f"--working-dir: {arguments.working_dir} is no checkout of volforecast (it has no jobs/)")
        return {"working_dir": arguments.working_dir, "excludes": LEFT_OUT}
    return {"working_dir": folder} if arguments.config is not None else {}


def _taken_along(config: str, working_dir: str | None, folder: str) -> str:
    """The settings file's path within the job's own folder."""
    if working_dir is None:
        shutil.copyfile(config, Path(folder) / "study.toml")
        return "study.toml"
    try:
        return str(Path(config).absolute().relative_to(Path(working_dir).absolute()))
    except ValueError:
        raise ConfigError(f"--config: {config} does not lie in {working_dir}, which travels to the cluster") from None
