"""How the claims of Darracq Paries et al. (2025) are counted in a set of tables, be it a run's or the paper's own.

A count is over the six test intervals (iterations), in clean mode; what a run in both modes says in paper mode stands
in brackets and has no part in the verdict. A run in paper mode alone is counted in that.
"""

from collections.abc import Callable, Collection, Sequence

import pandas as pd

from volforecast.evaluation.hourly_order import ALL, HAR, SQUARED_ERROR, mode_order
from volforecast.report.claims.counts import Count, Test, tally
from volforecast.report.claims.lookups import Hits, Pair, Tables

Hitting = Callable[[Tables, str], Hits]

VOLATILITY = "volatility"
SIGNIFICANCE = 0.05
_WHOLE, _SPANS = "whole table", "training spans"


def counted(hitting: Hitting) -> Test:
    """Comparisons in the first mode that has any; those in the other mode are told in brackets."""

    def test(tables: Tables) -> Count | None:
        found = {mode: tally(hitting(tables, mode)) for mode in modes_of(tables)}
        known = {mode: count for mode, count in found.items() if count is not None}
        if not known:
            return None
        (_, count), *others = known.items()
        said = [f"{mode} mode: {other.held:.0f} of {other.of:.0f}" for mode, other in others]
        return count._replace(text=f"{count.text} ({', '.join(said)})") if said else count

    return test


def modes_of(tables: Tables) -> list[str]:
    """The modes that a set of tables has, clean before paper."""
    return mode_order(str(mode) for table in tables.values() if "mode" in table.columns for mode in set(table["mode"]))


def rmse(tables: Tables, mode: str) -> pd.DataFrame:
    """RMSE at the paper's four decimals, a row each iteration, a column each model; empty without any."""
    if "metrics" not in tables:
        return pd.DataFrame()
    table = tables["metrics"]
    own = table[(table["mode"] == mode) & (table["metric"] == "RMSE") & (table["iteration"] > ALL)]
    return own.pivot(index="iteration", columns="model", values="value").astype(float).round(4)


def ratios(
    pairs: Sequence[Pair], holds: Callable[[float], bool], *, iterations: Collection[int] = (), together: bool = False
) -> Test:
    """The RMSE of a pair's first model divided by that of its second fulfils the claim, by interval.

    Args:
        pairs: Models compared.
        holds: Whether a ratio fulfils the claim.
        iterations: The intervals meant; all when empty.
        together: All pairs in one figure.
    """

    def hitting(tables: Tables, mode: str) -> Hits:
        table = rmse(tables, mode)
        if iterations:
            table = table[table.index.isin(list(iterations))]
        hits: dict[str, list[bool]] = {}
        for one, other in pairs:
            if {one, other} <= set(table.columns):
                both = table[[one, other]].dropna()
                held = [holds(ratio) for ratio in (both[one] / both[other]).round(4)]
                hits.setdefault("" if together else f"{one} against {other}", []).extend(held)
        return hits

    return counted(hitting)


def near_the_best(model: str, width: float) -> Test:
    """No model of an interval has an RMSE below this one's by more than that share of the smallest."""

    def hitting(tables: Tables, mode: str) -> Hits:
        table = rmse(tables, mode)
        if model not in table.columns or table.shape[1] < 2:
            return {}
        own = table.dropna(subset=model)
        return {"": [bool(value <= 1.0 + width) for value in own[model] / own.min(axis=1)]}

    return counted(hitting)


def best_of(model: str, others: Sequence[str], iteration: int) -> Test:
    """In one interval no other of some models has a smaller RMSE than this one."""
    return ratios([(model, other) for other in others], lambda x: x <= 1.0, iterations=(iteration,), together=True)


def not_better(pairs: Sequence[Pair]) -> Test:
    """Over all test hours no test (5%, squared errors) finds a pair's first model better than its second."""

    def hitting(tables: Tables, mode: str) -> Hits:
        own = _tests(tables, mode)
        hits = {}
        for one, other in pairs:
            rows = own[(own["model"] == one) & (own["benchmark"] == other)]
            better = (rows["statistic"] > 0.0) & (rows["p_value"] < SIGNIFICANCE)
            hits[f"{one} against {other}"] = [not found for found in better]
        return hits

    return counted(hitting)


def none_beats_har(tables: Tables, mode: str) -> Hits:
    """Over all test hours no test (5%, squared errors) finds a model better than HAR."""
    own = _tests(tables, mode)
    rows = own[own["benchmark"] == HAR]
    return {"": [not found for found in (rows["statistic"] > 0.0) & (rows["p_value"] < SIGNIFICANCE)]}


def sees_spikes(model: str, other: str) -> Test:
    """In the most volatile hour of each interval a model's forecast is nearer to what came than the other's."""

    def hitting(tables: Tables, mode: str) -> Hits:
        if "spikes" not in tables:
            return {}
        table = tables["spikes"]
        table = table[table["mode"] == mode]
        errors = table.assign(error=(table["forecast"] - table["realized"]).abs())
        wide = errors.pivot(index="iteration", columns="model", values="error")
        if not {model, other} <= set(wide.columns):
            return {}
        both = wide[[model, other]].dropna()
        return {"": [bool(nearer) for nearer in both[model] < both[other]]}

    return counted(hitting)


def gate(models: Sequence[str], above: float) -> Test:
    """The gate gives volatility more than this weight, mean over the hours of an interval."""

    def hitting(tables: Tables, mode: str) -> Hits:
        if "gates" not in tables:
            return {}
        table = tables["gates"]
        own = table[(table["mode"] == mode) & (table["component"] == VOLATILITY) & table["weight"].notna()]
        means = own.groupby(["model", "iteration"])["weight"].mean()
        known = set(own["model"])
        return {model: [bool(weight > above) for weight in means.loc[model]] for model in models if model in known}

    return counted(hitting)


def unstable(model: str, other: str, times: float) -> Test:
    """In an interval a model's RMSE is so many times that of another, or a seed of it has no forecast."""

    def hitting(tables: Tables, mode: str) -> Hits:
        if "metrics" not in tables:
            return {}
        table = tables["metrics"]
        own = table[(table["mode"] == mode) & (table["metric"] == "RMSE") & (table["iteration"] > ALL)]
        one, two = (own[own["model"] == name].set_index("iteration") for name in (model, other))
        if one.empty or two.empty or "failed" not in own.columns:
            return {}
        beyond = one["value"] > times * two["value"].reindex(one.index)
        return {"": [bool(hit) for hit in beyond | (one["failed"] > 0)]}

    return counted(hitting)


def rejects(test: str) -> Test:
    """A test of volatility rejects its hypothesis at 5%."""

    def hitting(tables: Tables, mode: str) -> Hits:
        if "diagnostics" not in tables:
            return {}
        table = tables["diagnostics"]
        own = table[(table["mode"] == mode) & (table["series"] == VOLATILITY) & (table["test"] == test)]
        return _by_span(own, own["rejected"].astype(bool))

    return counted(hitting)


def causes(expected: Callable[[str, int], bool | None]) -> Test:
    """Granger tests (5%) come out as said.

    Args:
        expected: From a cause and a lag to whether the test is said to reject; None where nothing is said.
    """

    def hitting(tables: Tables, mode: str) -> Hits:
        if "granger" not in tables:
            return {}
        table = tables["granger"]
        own = table[(table["mode"] == mode) & table["p_value"].notna()]
        said = [expected(str(c), int(lag)) for c, lag in zip(own["cause"], own["lag"], strict=True)]
        held = [found == word for found, word in zip(own["rejected"].astype(bool), said, strict=True)]
        meant = pd.Series([word is not None for word in said], index=own.index, dtype=bool)
        return _by_span(own[meant], pd.Series(held, index=own.index, dtype=bool)[meant])

    return counted(hitting)


def remembers(lags: Collection[int], significant: bool) -> Test:
    """Autocorrelations of volatility at these lags lie beyond the bound, or within it."""

    def hitting(tables: Tables, mode: str) -> Hits:
        if "autocorrelation" not in tables:
            return {}
        table = tables["autocorrelation"]
        own = table[(table["mode"] == mode) & (table["series"] == VOLATILITY) & table["lag"].isin(list(lags))]
        beyond = own["value"].abs() > own["bound"]
        return {"": [bool(value) == significant for value in beyond]}

    return counted(hitting)


def _tests(tables: Tables, mode: str) -> pd.DataFrame:
    """Diebold-Mariano tests over all test hours on squared errors that have a p-value."""
    if "tests" not in tables:
        return pd.DataFrame(columns=["model", "benchmark", "statistic", "p_value"])
    table = tables["tests"]
    own = table[(table["mode"] == mode) & (table["iteration"] == ALL) & (table["loss"] == SQUARED_ERROR)]
    return own.dropna(subset="p_value")


def _by_span(table: pd.DataFrame, held: "pd.Series[bool]") -> Hits:
    """Hits on the whole table and on the spans that models learn from."""
    whole = table["iteration"] == ALL
    return {_WHOLE: [bool(hit) for hit in held[whole]], _SPANS: [bool(hit) for hit in held[~whole]]}
