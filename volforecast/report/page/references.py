"""The works that a run's methods come from: only those that it uses."""

from typing import Final, NamedTuple

from volforecast.report.page.evidence import Tables


class Reference(NamedTuple):
    """One work: what stands before the name of where it appeared, that name, and what stands after."""

    before: str
    where: str
    after: str


_EN: Final = "\N{EN DASH}"
_PAPER: Final = Reference(
    "Teller, A., Pigorsch, U. & Pigorsch, C. (2026). Realized volatility forecasting for new issues and spin-offs "
    "using multi-source transfer learning.",
    "International Journal of Forecasting",
    "42(3).",
)
WORKS: Final[dict[str, Reference]] = {
    "XGB": Reference(
        "Chen, T. & Guestrin, C. (2016). XGBoost: a scalable tree boosting system.",
        "Proceedings of KDD \N{RIGHT SINGLE QUOTATION MARK}16,",
        f"785{_EN}794. doi:10.1145/2939672.2939785",
    ),
    "HAR": Reference(
        "Corsi, F. (2009). A simple approximate long-memory model of realized volatility.",
        "Journal of Financial Econometrics",
        f"7(2), 174{_EN}196. doi:10.1093/jjfinec/nbp001",
    ),
    "tests": Reference(
        "Diebold, F. X. & Mariano, R. S. (1995). Comparing predictive accuracy.",
        "Journal of Business & Economic Statistics",
        f"13(3), 253{_EN}263. doi:10.1080/07350015.1995.10524599",
    ),
    "sets": Reference(
        "Hansen, P. R., Lunde, A. & Nason, J. M. (2011). The model confidence set.",
        "Econometrica",
        f"79(2), 453{_EN}497. doi:10.3982/ECTA5771",
    ),
    "small samples": Reference(
        "Harvey, D., Leybourne, S. & Newbold, P. (1997). Testing the equality of prediction mean squared errors.",
        "International Journal of Forecasting",
        f"13(2), 281{_EN}291. doi:10.1016/S0169-2070(96)00719-4",
    ),
    "FNN": Reference(
        "Kingma, D. P. & Ba, J. (2015). Adam: a method for stochastic optimization.", "ICLR 2015.", "arXiv:1412.6980"
    ),
    "QLIKE": Reference(
        "Patton, A. J. (2011). Volatility forecast comparison using imperfect volatility proxies.",
        "Journal of Econometrics",
        f"160(1), 246{_EN}256. doi:10.1016/j.jeconom.2010.03.034",
    ),
    "bootstrap": Reference(
        "Politis, D. N. & Romano, J. P. (1994). The stationary bootstrap.",
        "Journal of the American Statistical Association",
        f"89(428), 1303{_EN}1313. doi:10.1080/01621459.1994.10476870",
    ),
    "MTL": Reference(
        "Sakoe, H. & Chiba, S. (1978). Dynamic programming algorithm optimization for spoken word recognition.",
        "IEEE Transactions on Acoustics, Speech, and Signal Processing",
        f"26(1), 43{_EN}49. doi:10.1109/TASSP.1978.1163055",
    ),
}


def references(used: set[str], tables: Tables) -> list[Reference]:
    """What a run cites, by author.

    Args:
        used: Model classes and approaches of its models.
        tables: Its tables: which tests and sets were made.
    """
    topics = set(used)
    if {"table_8", "table_9", "table_10", "table_11", "pairwise_qlike"} & set(tables):
        topics |= {"tests", "small samples"}
    if "table_4" in tables or "confidence_sets" in tables:
        topics |= {"sets", "bootstrap"}
    if any("loss" in table.columns and (table["loss"] == "QLIKE").any() for table in tables.values()):
        topics.add("QLIKE")
    return [*(work for topic, work in WORKS.items() if topic in topics), _PAPER]
