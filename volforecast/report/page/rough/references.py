"""The works that the study's methods come from: only those that a run uses."""

from typing import Final

from volforecast.evaluation.rough_order import GROUPS, HAR, UNFREEZING
from volforecast.report.page.evidence import Tables
from volforecast.report.page.references import WORKS, Reference

_EN: Final = "\N{EN DASH}"
_PAPER: Final = Reference(
    "Dhansoia, R. (2025). Cross-asset transfer learning for rough volatility forecasting: an empirical study on "
    "traditional and cryptocurrency markets.",
    "Working paper,",
    "December 2025.",
)
_OWN: Final[dict[str, Reference]] = {
    "wavelets": Reference(
        "Abry, P. & Veitch, D. (1998). Wavelet analysis of long-range-dependent traffic.",
        "IEEE Transactions on Information Theory",
        f"44(1), 2{_EN}15. doi:10.1109/18.650984",
    ),
    "variogram": Reference(
        "Gatheral, J., Jaisson, T. & Rosenbaum, M. (2018). Volatility is rough.",
        "Quantitative Finance",
        f"18(6), 933{_EN}949. doi:10.1080/14697688.2017.1393551",
    ),
    "r/s": Reference(
        "Hurst, H. E. (1951). Long-term storage capacity of reservoirs.",
        "Transactions of the American Society of Civil Engineers",
        f"116(1), 770{_EN}799. doi:10.1061/TACEAT.0006518",
    ),
    "lstm": Reference(
        "Hochreiter, S. & Schmidhuber, J. (1997). Long short-term memory.",
        "Neural Computation",
        f"9(8), 1735{_EN}1780. doi:10.1162/neco.1997.9.8.1735",
    ),
    "quantile regression": Reference(
        "Koenker, R. & Bassett, G. (1978). Regression quantiles.",
        "Econometrica",
        f"46(1), 33{_EN}50. doi:10.2307/1913643",
    ),
    "transfer": Reference(
        "Pan, S. J. & Yang, Q. (2010). A survey on transfer learning.",
        "IEEE Transactions on Knowledge and Data Engineering",
        f"22(10), 1345{_EN}1359. doi:10.1109/TKDE.2009.191",
    ),
    "dfa": Reference(
        "Peng, C.-K., Buldyrev, S. V., Havlin, S., Simons, M., Stanley, H. E. & Goldberger, A. L. (1994). Mosaic "
        "organization of DNA nucleotides.",
        "Physical Review E",
        f"49(2), 1685{_EN}1689. doi:10.1103/PhysRevE.49.1685",
    ),
    "conformal": Reference(
        "Romano, Y., Patterson, E. & Candès, E. (2019). Conformalized quantile regression.",
        "Advances in Neural Information Processing Systems",
        "32. arXiv:1905.03222",
    ),
    "transformer": Reference(
        "Vaswani, A., Shazeer, N., Parmar, N., Uszkoreit, J., Jones, L., Gomez, A. N., Kaiser, Ł. & "
        "Polosukhin, I. (2017). Attention is all you need.",
        "Advances in Neural Information Processing Systems",
        "30. arXiv:1706.03762",
    ),
}


def references(models: set[str], tables: Tables) -> list[Reference]:
    """What a run cites, by author.

    Args:
        models: Its models.
        tables: Its tables: which estimators, tests and sets were made.
    """
    methods = set(tables["table_1"]["method"]) if "table_1" in tables else set()
    topics = {
        "HAR": HAR in models,
        "tests": "table_6" in tables,
        "small samples": "table_6" in tables,
        "sets": "confidence_sets" in tables,
        "bootstrap": "confidence_sets" in tables,
        "FNN": any("LSTM" in name or "Transformer" in name for name in models),  # Adam
        "wavelets": "Wavelet" in methods,
        "variogram": "Variogram" in methods or "zeta" in tables,
        "dfa": "DFA" in methods,
        "r/s": "R/S" in methods,
        "lstm": any("LSTM" in name for name in models),
        "transformer": any("Transformer" in name for name in models),
        "transfer": any("Transfer " in name for name in models) or bool(models & set(GROUPS[UNFREEZING])),
        "quantile regression": any("Quantile" in name for name in models) or "coverage" in tables,
        "conformal": "coverage" in tables,
    }
    works = {**WORKS, **_OWN}
    return sorted([*(works[topic] for topic, used in topics.items() if used), _PAPER])
