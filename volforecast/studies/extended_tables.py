"""Tables of models beside the paper's: the paper's own tables, marks and confidence sets never hold them.

Names end in ``_extended``, columns are those of the tables they are named after, and the paper's models come first.
"""

import pandas as pd

from volforecast.evaluation.comparison import mean_losses, pairwise, relative_to_naive
from volforecast.evaluation.inclusion import inclusion_counts
from volforecast.evaluation.losses import LOSSES
from volforecast.evaluation.order import ALL
from volforecast.studies.model_names import NAIVE, is_extra


def make_extended(forecasts: pd.DataFrame, sets: list[pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Comparison tables of all models of a run.

    ``mean_losses_extended`` and ``table_3_extended`` have a row for every model; ``pairwise_extended`` (columns of
    ``pairwise``, over all days) the models beside the paper's against the naive forecast and the HAR-STD models;
    ``confidence_sets_extended`` and ``table_4_extended`` come from confidence sets of all models together.

    Args:
        forecasts: Long forecasts table of all models.
        sets: The confidence sets of all models, by target and period.
    """
    tables = {"mean_losses_extended": mean_losses(forecasts), "table_3_extended": relative_to_naive(forecasts)}
    if sets:
        tables["confidence_sets_extended"] = pd.concat(sets, ignore_index=True)
        tables["table_4_extended"] = inclusion_counts(tables["confidence_sets_extended"])
    names = {str(name): is_extra(str(name)) for name in forecasts["model"].unique()}
    benchmarks = {name for name, extra in names.items() if name == NAIVE or (not extra and name.endswith("HAR-STD"))}
    few = forecasts[forecasts["model"].isin(benchmarks | {name for name, extra in names.items() if extra})]
    pairs = pd.concat([pairwise(few, loss) for loss in LOSSES], ignore_index=True)
    kept = pairs["benchmark"].isin(benchmarks) & pairs["model"].map(names)
    tables["pairwise_extended"] = pairs[kept].reset_index(drop=True)
    return tables


def insanity_counts(forecasts: pd.DataFrame) -> pd.DataFrame:
    """How often the insanity filter has replaced a forecast.

    Args:
        forecasts: ``target, period, model, status, replaced``; ``replaced`` is empty for models that it does not look
            at.

    Returns:
        Columns ``target, period, model, days, replaced, rate``: ``days`` have a forecast; ``period`` is text, ``all``
        for the periods' days together.
    """
    made = forecasts[forecasts["replaced"].notna() & (forecasts["status"] != "failed")]
    made = made.assign(replaced=made["replaced"].astype(bool))
    parts = [made.assign(period=made["period"].astype(str)), made.assign(period=ALL)]
    grouped = pd.concat(parts, ignore_index=True).groupby(["target", "period", "model"], sort=False)["replaced"]
    table = grouped.agg(days="size", replaced="sum").reset_index()
    return table.assign(rate=table["replaced"] / table["days"])
