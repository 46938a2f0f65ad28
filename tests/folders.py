"""Small panels, short studies, and results folders compared byte by byte."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from volforecast.data.simulate import SimulatorSettings, simulate_panel, write_simulated

# every part of the study, in seconds: 20 forecast days a period, few epochs, few replications
SHORT = """
horizon_days = 20
replications = 200
[fnn]
max_epochs = 4
patience = 2
[xgb]
trees = 5
"""
PERIODS = "50,70"
# all three classes, all three approaches, both predictor sets
MODELS = "HAR,TO XGB,MTL-50 XGB-EXT,NP FNN-STD,MTL-25 FNN-EXT"


def small_panel(folder: Path, seed: int = 3) -> Path:
    """A simulated panel of five sources and two targets, written below ``folder``."""
    settings = SimulatorSettings(sources=5, targets=2, source_days=330, target_days=100, listing_gap_days=30)
    write_simulated(simulate_panel(settings, seed), folder / "panel")
    return folder / "panel"


def short_config(folder: Path) -> Path:
    """The configuration file of a study that takes seconds."""
    path = folder / "short.toml"
    path.write_text(SHORT)
    return path


def study_words(panel: Path | str, out: Path | str, config: Path, *more: str) -> list[str]:
    """The command of a short study, after ``volforecast``."""
    words = ["study", "new-issues", "--panel", str(panel), "--out", str(out), "--config", str(config)]
    return [*words, "--periods", PERIODS, "--models", MODELS, *more]


def start(words: list[str], **environment: str) -> "subprocess.Popen[str]":
    """Start ``volforecast`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "volforecast", *words],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]", seconds: float = 240) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a process."""
    out, error = process.communicate(timeout=seconds)
    return process.returncode, out, error


def digests(folder: Path) -> dict[str, str]:
    """The checksum of every file below a folder, by its path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
