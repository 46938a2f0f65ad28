"""Questions a reader asks of a results folder; each answers one of the pages under docs/results.

python benchmarks/look_into.py worst-days RESULTS "TO XGB-STD" GS     which days make a model's squared error
python benchmarks/look_into.py inclusion RESULTS                      size of the confidence sets by p-value
python benchmarks/look_into.py flat RESULTS                           networks that forecast the same five times
python benchmarks/look_into.py methods HIST_RESULTS EXACT_RESULTS     what XGBoost's tree method does to its errors
"""

import argparse
from pathlib import Path

import pandas as pd

from cluster.store import ResultStore
from volforecast.data.parquet import from_parquet
from volforecast.evaluation.diebold_mariano import diebold_mariano
from volforecast.evaluation.losses import loss_named
from volforecast.evaluation.order import NAIVE, paper_order


def main() -> None:
    """Answer one question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    questions = parser.add_subparsers(required=True)
    days = questions.add_parser("worst-days")
    days.add_argument("results", type=Path)
    days.add_argument("model")
    days.add_argument("target")
    days.set_defaults(answer=worst_days)
    for name, answer in (("inclusion", inclusion), ("flat", flat)):
        question = questions.add_parser(name)
        question.add_argument("results", type=Path)
        question.set_defaults(answer=answer)
    two = questions.add_parser("methods")
    two.add_argument("hist", type=Path)
    two.add_argument("exact", type=Path)
    two.set_defaults(answer=methods)
    arguments = vars(parser.parse_args())
    print(arguments.pop("answer")(**arguments).to_string())


def worst_days(results: Path, model: str, target: str) -> pd.DataFrame:
    """The five days of a model's largest squared errors, as shares of the naive forecast's sum over all days."""
    forecasts = pd.read_parquet(results / "forecasts")
    own = forecasts[forecasts["target"] == target].copy()
    own["loss"] = (own["forecast"] - own["realized"]) ** 2
    naive = own[own["model"] == "NF"].set_index("date")
    chosen = own[own["model"] == model].set_index("date")
    chosen["share of NF's loss"] = chosen["loss"] / naive["loss"].sum()
    chosen["day before"] = naive["forecast"]
    columns = ["period", "origin", "day before", "forecast", "realized", "share of NF's loss"]
    return chosen.sort_values("loss", ascending=False)[columns].head(5).round(3)


def inclusion(results: Path) -> pd.DataFrame:
    """Members of all targets' confidence sets together, by the p-value above which a model counts as a member."""
    sets = pd.read_parquet(results / "tables" / "confidence_sets.parquet")
    counts = {
        f"p > {level}": (sets["p_value"] > level).groupby([sets["period"], sets["loss"]]).sum()
        for level in (0.05, 0.25, 0.5, 0.75, 0.95)
    }
    return pd.DataFrame(counts).drop(index="QLIKE", level="loss")


def flat(results: Path) -> pd.DataFrame:
    """Networks whose five forecasts are one number: how many there are and how much worse they are than the others.

    Ratios: squared errors over the naive forecast's on the same days, each target weighted by one over its naive MSE.
    """
    forecasts = pd.read_parquet(results / "forecasts")
    forecasts["loss"] = (forecasts["forecast"] - forecasts["realized"]) ** 2
    naive = forecasts[forecasts["model"] == "NF"]
    weight = 1 / naive.groupby("target")["loss"].mean()
    forecasts = forecasts.merge(naive[["target", "date", "loss"]], on=["target", "date"], suffixes=("", " of NF"))
    networks = forecasts[forecasts["model"].str.contains("FNN") & (forecasts["status"] == "ok")].copy()
    by_origin = networks.groupby(["model", "target", "period", "origin"])["forecast"]
    networks["flat"] = by_origin.transform("min") == by_origin.transform("max")
    for column in ("loss", "loss of NF"):
        networks[column] *= networks["target"].map(weight)
    sums = networks.groupby(["model", "flat"])[["loss", "loss of NF"]].sum()
    ratio = (sums["loss"] / sums["loss of NF"]).unstack()
    estimations = pd.read_parquet(results / "tables" / "estimations.parquet")
    epochs = estimations[estimations["model"].str.contains("FNN")].groupby("model")["epochs"]
    return pd.DataFrame(
        {
            "share flat": networks.groupby("model")["flat"].mean(),
            "ratio, flat": ratio[True],
            "ratio, others": ratio[False],
            "median epochs": epochs.median(),
            "share below 20 epochs": epochs.apply(lambda count: (count < 20).mean()),
        }
    ).round(3)


def methods(hist: Path, exact: Path) -> pd.DataFrame:
    """XGB models under both tree methods, on the targets whose days both folders have, all of them.

    Columns: targets; mean over them of the error relative to NF by method; on how many targets exact has the smaller
    error; on how many the Diebold-Mariano test finds exact, and hist, better at 5%. The last rows put all models
    together. Of a run that is still going, what it has committed is read.
    """
    first = _boosted(hist)
    both = first.merge(_boosted(exact), on=["target", "date", "model", "realized"], suffixes=(" hist", " exact"))
    naive = first[first["model"] == NAIVE].set_index(["target", "date"])["forecast"].rename("naive")
    both = both[both["model"] != NAIVE].join(naive, on=["target", "date"])
    days = naive.groupby("target").size().to_dict()
    rows = []
    for (model, target), own in both.groupby(["model", "target"]):
        if len(own) < days[target] or own.isna().any(axis=None):
            continue
        for name in ("MSE", "MAE"):
            realized = own["realized"].to_numpy()
            losses = [
                loss_named(name)(own[column].to_numpy(), realized)
                for column in ("naive", "forecast hist", "forecast exact")
            ]
            relative, exactly = (loss.mean() / losses[0].mean() for loss in losses[1:])
            p_value = diebold_mariano(losses[2], losses[1]).p_value
            rows.append((name, model, relative, exactly, exactly < relative, p_value < 0.05, p_value > 0.95))
    columns = ["loss", "model", "hist / NF", "exact / NF", "exact smaller", "exact better, 5%", "hist better, 5%"]
    table = pd.DataFrame(rows, columns=columns)
    table = pd.concat([table, table.assign(model="all")])
    how = {column: "mean" if column.endswith("NF") else "sum" for column in columns[2:]}
    grouped = table.groupby(["loss", "model"])
    result = grouped.agg(how)
    result.insert(0, "targets", grouped.size())
    order = [(loss, model) for loss in ("MSE", "MAE") for model in [*paper_order(both["model"]), "all"]]
    return result.reindex([row for row in order if row in result.index]).round(4)


def _boosted(results: Path) -> pd.DataFrame:
    """Forecasts of NF and of the XGB models, published or else as committed so far; a failed one is NaN."""
    if (results / "forecasts").exists():
        table = pd.read_parquet(results / "forecasts")
    else:
        store = ResultStore(str(results), create=False)
        units = (unit for unit in store.plan().units if unit.kind == "forecast")
        wanted = [unit.key for unit in units if unit.coordinates["model"] == NAIVE or "XGB" in unit.name]
        parts = (store.load(key) for key in wanted)
        table = pd.concat([from_parquet(part).to_pandas() for part in parts if part is not None])
    table = table.astype({"model": str, "target": str})
    shown = table["model"].eq(NAIVE) | table["model"].str.contains("XGB")
    table["forecast"] = table["forecast"].where(table["status"] != "failed")
    return table.loc[shown, ["target", "date", "model", "realized", "forecast"]]


if __name__ == "__main__":
    main()
