"""What the report ranks and draws: one forecast a day and model, numbered by days since listing, and their tables."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from volforecast.evaluation.comparison import mean_losses, pairwise, relative_to_naive
from volforecast.evaluation.first_days import PROMPT, served
from volforecast.evaluation.layout import PAIRWISE_TABLES, cut_pairwise
from volforecast.evaluation.losses import GREATEST, LOSSES
from volforecast.evaluation.order import NAIVE
from volforecast.report.page.evidence import Tables

_NONE: Final = pd.DataFrame(columns=["model", "period", "loss", "ratio", "targets", "left_out"])


class Basis(NamedTuple):
    """What is compared.

    Attributes:
        forecasts: The run's forecasts with ``day``, the target's trading day since its listing, in one order. Of a
            first-days run those of the transition strategy 1-5-22, under the models' names without their prefix.
        tables: The run's tables; of a first-days run with ``table_3``, ``mean_losses`` and pairwise tables over that.
        first_days: Whether it is a first-days run.
    """

    forecasts: pd.DataFrame
    tables: Tables
    first_days: bool

    def losses(self, loss: str, models: list[str]) -> pd.DataFrame:
        """``target, day, model, value`` (the loss, NaN where a model has none), of these models."""
        rows = self.forecasts[self.forecasts["model"].isin(models)]
        values = LOSSES[loss](rows["forecast"].to_numpy(dtype=float), rows["realized"].to_numpy(dtype=float))
        usable = np.isfinite(values) & (np.abs(values) <= GREATEST) & (rows["status"] != "failed").to_numpy()
        return rows[["target", "day", "model"]].assign(value=np.where(usable, values, np.nan))


def basis_of(forecasts: pd.DataFrame, tables: Tables) -> Basis:
    """The basis of a run with these forecasts and tables."""
    if "prefix" not in forecasts.columns:
        return Basis(_numbered(forecasts), tables, False)
    series = served(forecasts, PROMPT)
    if (series["model"] == NAIVE).all():  # no model serves in all periods
        return Basis(_numbered(series), {**tables, "table_3": _NONE}, True)
    pairs = tables["pairwise"] if "pairwise" in tables else pd.concat([pairwise(series, loss) for loss in LOSSES])
    made = {"table_3": relative_to_naive(series), "mean_losses": mean_losses(series)}
    made |= {f"table_{number}": cut_pairwise(pairs, number) for number in PAIRWISE_TABLES}
    made["pairwise_qlike"] = pairs[pairs["loss"] == "QLIKE"].reset_index(drop=True)
    return Basis(_numbered(series), {**tables, **made}, True)


def _numbered(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with ``day``, in one order however they came."""
    table = forecasts.assign(**{name: forecasts[name].astype(str) for name in ("target", "model", "status")})
    table = table.sort_values(["target", "model", "period", "origin", "date"], ignore_index=True)
    place = table.groupby(["target", "model", "period", "origin"]).cumcount()
    return table.assign(day=table["origin"].astype(np.int64) + 1 + place)
