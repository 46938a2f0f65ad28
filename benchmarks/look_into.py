"""Questions a reader asks of a results folder; each answers one of the pages under docs/results.

python benchmarks/look_into.py worst-days RESULTS "TO XGB-STD" GS     which days make a model's squared error
python benchmarks/look_into.py inclusion RESULTS                      size of the confidence sets by p-value
python benchmarks/look_into.py flat RESULTS                           networks that forecast the same five times
"""

import argparse
from pathlib import Path

import pandas as pd


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


if __name__ == "__main__":
    main()
