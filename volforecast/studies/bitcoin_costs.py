"""What the units of the bitcoin-mixture study cost, before they run; see :mod:`volforecast.studies.costs`."""

from volforecast.models.hourly import HYBRIDS
from volforecast.studies.costs import STORED_A_UNIT, WORKER, Cost, Path

REFERENCE_HOURS = 2605  # of the table that the coefficients come from
WORKER_WITH_TORCH = WORKER + (250 << 20)
# core-seconds of one estimation with its forecasts, on a table of that length
SECONDS = {
    "HAR": 0.01,
    "Flexible HAR": 0.3,
    "HARX(10)": 0.05,
    "Flexible HARX(10)": 1.5,
    "LSTM": 4.0,
    "TM-G": 0.15,
    "GCT TM-G": 0.15,
    "TM-SG": 0.15,
    "IG-TM": 0.2,
    "GARCH": 3.0,
    "XGB": 0.1,
    "SXGB": 0.1,
    "XGB-GCT": 0.3,
    "SXGB-GCT": 0.3,
}
PATHS: dict[str, Path] = {"LSTM": "networks", "GARCH": "GARCH"}


def model_cost(model: str, hours: int, fits: int, *, tuning: bool = False) -> Cost:
    """So many estimations of a model on one iteration's rows."""
    if model in HYBRIDS:
        return Cost("averages", 0.05, WORKER, STORED_A_UNIT + hours * 4)
    longer = hours / REFERENCE_HOURS
    path: Path = PATHS.get(model, "mixtures" if "TM" in model else "XGB" if "XGB" in model else "HAR")
    held = WORKER_WITH_TORCH if path in ("networks", "mixtures") else WORKER
    stored = STORED_A_UNIT + (fits * 60 if tuning else fits * hours // 10 * 12)
    return Cost(path, SECONDS[model] * fits * longer, held, stored)


def diagnostics_cost(hours: int, features: int) -> Cost:
    """Tests of one span of hours."""
    return Cost("diagnostics", (0.5 + 0.2 * features) * hours / REFERENCE_HOURS, WORKER, STORED_A_UNIT + features * 600)


def confidence_cost(hours: int, models: int, replications: int, iterations: int) -> Cost:
    """The confidence sets of one mode: of every iteration and of all hours together, by two losses."""
    tested = hours // 10 * iterations
    seconds = 0.5 + replications * (4 * tested * models * 4e-10 + 2 * (iterations + 1) * models**2 * 2e-9)
    return Cost("confidence", seconds, WORKER + replications * tested * 8, STORED_A_UNIT * 4)
