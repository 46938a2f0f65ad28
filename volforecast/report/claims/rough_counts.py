"""How the claims of Dhansoia (2025) are counted in a set of tables, be it a run's or the paper's own.

The paper has one target and one horizon. A count is over targets, one day ahead as in the paper; what a run's other
horizons say stands in brackets and has no part in the verdict.
"""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from volforecast.evaluation.rough_order import GROUPS, HAR, HYBRID, HYBRIDS, UNFREEZING
from volforecast.report.claims.counts import Count, Test, tally
from volforecast.report.claims.lookups import Hits, Pair, Tables
from volforecast.report.paper_rough import HORIZON

Hitting = Callable[[Tables, int], Hits]


def rmse(tables: Tables, horizon: int) -> pd.DataFrame:
    """Errors by target and model (tables 3 and 5: the paper has its architectures in the latter alone)."""
    parts = [pd.DataFrame(columns=["target", "model", "rmse"])]
    if "table_3" in tables:
        three = tables["table_3"]
        parts.append(
            three[(three["metric"] == "RMSE") & (three["horizon"] == horizon)].rename(columns={"value": "rmse"})
        )
    if "table_5" in tables:
        parts.append(tables["table_5"][tables["table_5"]["horizon"] == horizon])
    known = [part[["target", "model", "rmse"]] for part in parts if not part.empty]
    if not known:
        return pd.DataFrame()
    table = pd.concat(known).dropna().drop_duplicates(["target", "model"])
    return table.pivot(index="target", columns="model", values="rmse")


def wide(tables: Tables, name: str, horizon: int, column: str, **chosen: str) -> pd.DataFrame:
    """One column of a table by target and model, the rows with the values chosen; empty without the table."""
    if name not in tables:
        return pd.DataFrame()
    table = tables[name][tables[name]["horizon"] == horizon]
    for key, value in chosen.items():
        table = table[table[key] == value]
    return table.pivot(index="target", columns="model", values=column)


def counted(hitting: Hitting) -> Test:
    """Comparisons one day ahead; those of the run's other horizons are told in brackets."""

    def test(tables: Tables) -> Count | None:
        count = tally(hitting(tables, HORIZON))
        if count is None:
            return None
        others = []
        for horizon in _horizons(tables):
            values = [hit for hits in hitting(tables, horizon).values() for hit in hits]
            if horizon != HORIZON and values:
                others.append(f"h = {horizon}: {sum(values)} of {len(values)}")
        return count._replace(text=f"{count.text} ({', '.join(others)})") if others else count

    return test


def below(pairs: Sequence[Pair]) -> Test:
    """The first model's RMSE is the smaller one, by target; a pair is told by its first model."""

    def hitting(tables: Tables, horizon: int) -> Hits:
        table = rmse(tables, horizon)
        hits: dict[str, list[bool]] = {}
        for one, other in pairs:
            if {one, other} <= set(table.columns):
                both = table[[one, other]].dropna()
                hits.setdefault(f"{one} below {other}", []).extend(_bools(both[one] < both[other]))
        return hits

    return counted(hitting)


def against_har(
    models: Sequence[str], holds: Callable[[pd.DataFrame], "pd.Series[bool]"], *, together: bool = False
) -> Test:
    """Table 6 against HAR: statistic and p-value of each model and target fulfil the claim.

    Args:
        models: The models counted.
        holds: From rows with ``statistic, p_value`` to whether they fulfil it.
        together: All models in one figure.
    """

    def hitting(tables: Tables, horizon: int) -> Hits:
        if "table_6" not in tables:
            return {}
        table = tables["table_6"]
        rows = table[(table["horizon"] == horizon) & (table["benchmark"] == HAR) & table["model"].isin(models)]
        rows = rows.dropna(subset="p_value")
        held = holds(rows)
        if together:
            return {"": _bools(held)}
        return {model: _bools(held[rows["model"] == model]) for model in models}

    return counted(hitting)


def improves(metrics: Sequence[str], p_value: float = 1.0) -> Test:
    """Table 4: transfer is better than training from scratch, with at most this p-value (1: whatever it is)."""

    def hitting(tables: Tables, horizon: int) -> Hits:
        hits = {}
        for metric in metrics:
            rows = _improvements(tables, metric, horizon)
            if p_value < 1.0 and not rows.empty:
                rows = rows.dropna(subset="p_value")
                rows = rows.assign(improvement=rows["improvement"].where(rows["p_value"] <= p_value, -1.0))
            hits[metric] = _bools(rows["improvement"] > 0.0) if not rows.empty else []
        return hits

    return counted(hitting)


def improvement_of(claimed: float) -> Test:
    """Table 4: by how many per cent transfer reduces the RMSE, on average over targets, beside the size claimed."""

    def test(tables: Tables) -> Count | None:
        found = {h: _improvements(tables, "RMSE", h)["improvement"] for h in [HORIZON, *_horizons(tables)]}
        found = {h: values for h, values in found.items() if len(values)}
        if HORIZON not in found:
            return None
        own = found.pop(HORIZON)
        text = (
            f"{own.mean():.2f}% below, mean of {len(own)} ({_range(own, 2)})"
            if len(own) > 1
            else f"{own.mean():.2f}% below"
        )
        others = [f"h = {h}: {values.mean():.2f}%" for h, values in found.items()]
        return Count(float(own.mean()), claimed, f"{text}; {', '.join(others)}" if others else text)

    return test


def hurst(holds: Callable[[pd.DataFrame], Mapping[str, Sequence[bool]]]) -> Test:
    """Table 1 without the estimates that are missing."""

    def test(tables: Tables) -> Count | None:
        return tally(holds(tables["table_1"].dropna(subset="hurst"))) if "table_1" in tables else None

    return test


def rough(table: pd.DataFrame) -> Hits:
    """The exponent is below one half, by method."""
    return {str(method): _bools(rows["hurst"] < 0.5) for method, rows in table.groupby("method", sort=False)}


def rougher(table: pd.DataFrame) -> Hits:
    """A target's exponent is below that of every source, by method."""
    hits: dict[str, list[bool]] = {}
    for method, rows in table.groupby("method", sort=False):
        sources, targets = (rows.loc[rows["role"] == role, "hurst"] for role in ("source", "target"))
        hits[str(method)] = [bool(h < sources.min()) for h in targets] if len(sources) else []
    return hits


def more_volatile(tables: Tables) -> Count | None:
    """Table 2: a target's mean and standard deviation of log variance are above those of every source."""
    if "table_2" not in tables:
        return None
    table = tables["table_2"]
    hits = {}
    for column, label in (("mean", "mean"), ("standard_deviation", "standard deviation")):
        sources, targets = (table.loc[table["role"] == role, column].dropna() for role in ("source", "target"))
        hits[label] = [bool(value > sources.max()) for value in targets] if len(sources) else []
    return tally(hits)


def versus_har(models: Sequence[str], holds: Callable[[float], bool]) -> Test:
    """Table 5: by how many per cent a model's RMSE is below HAR's, at the paper's two decimals."""

    def hitting(tables: Tables, horizon: int) -> Hits:
        table = wide(tables, "table_5", horizon, "versus_har").round(2)
        return {model: [holds(v) for v in table[model].dropna()] for model in models if model in table.columns}

    return counted(hitting)


def hybrid_is_closest(tables: Tables, horizon: int) -> Hits:
    """Table 5: the hybrid has the best RMSE of the unfreezing strategies and hybrid architectures."""
    table = wide(tables, "table_5", horizon, "versus_har")
    others = [model for model in (*GROUPS[UNFREEZING], *GROUPS[HYBRIDS]) if model in table.columns and model != HYBRID]
    if HYBRID not in table.columns or not others:
        return {}
    both = table.dropna(subset=HYBRID)
    return {"": _bools(both[HYBRID] >= both[others].max(axis=1).fillna(-float("inf")))}


def each_target(values: Callable[[Tables], "pd.Series[float]"], holds: Callable[[float], bool]) -> Test:
    """A figure of each target fulfils the claim; the range of the figures is told."""

    def test(tables: Tables) -> Count | None:
        found = values(tables).dropna()
        count = tally({"": [holds(value) for value in found]})
        return count and count._replace(text=f"{count.text}; {_range(found, 3)}")

    return test


def alphas(tables: Tables) -> "pd.Series[float]":
    """The hybrid's weight on HAR one day ahead, mean over seeds, by target."""
    if "estimations" not in tables:
        return pd.Series(dtype=float)
    table = tables["estimations"]
    rows = table[(table["model"] == HYBRID) & (table["horizon"] == HORIZON)].dropna(subset="alpha")
    return rows.groupby("target")["alpha"].mean()


def har_r2(tables: Tables) -> "pd.Series[float]":
    """HAR's R2 one day ahead, by target."""
    table = wide(tables, "table_3", HORIZON, "value", metric="R2")
    return table[HAR] if HAR in table.columns else pd.Series(dtype=float)


def _improvements(tables: Tables, metric: str, horizon: int) -> pd.DataFrame:
    """Rows of table 4 with an improvement."""
    if "table_4" not in tables:
        return pd.DataFrame(columns=["improvement", "p_value"])
    table = tables["table_4"]
    return table[(table["metric"] == metric) & (table["horizon"] == horizon)].dropna(subset="improvement")


def _horizons(tables: Tables) -> list[int]:
    """The run's horizons, ascending."""
    having = [
        table["horizon"] for name, table in tables.items() if name in ("table_3", "table_4", "table_5", "table_6")
    ]
    return sorted({int(horizon) for column in having for horizon in column.unique()})


def _range(values: "pd.Series[float]", decimals: int) -> str:
    low, high = (f"{value:.{decimals}f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _bools(values: "pd.Series[bool]") -> list[bool]:
    return [bool(value) for value in values]
