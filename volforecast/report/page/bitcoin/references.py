"""The works that the study's methods come from: only those that a run uses."""

from typing import Final

from volforecast.evaluation.hourly_order import GARCH, HAR, LSTM
from volforecast.report.page.evidence import Tables
from volforecast.report.page.references import WORKS, Reference

_EN: Final = "\N{EN DASH}"
_PAPER: Final = Reference(
    "Darracq Paries, A., Adorno, Y., Martini-Bonnet, L. & Allain, A. (2025). Mixture models for Bitcoin volatility "
    "forecasting.",
    "ETH Zurich",
    "(project report).",
)
_OWN: Final[dict[str, Reference]] = {
    "tpe": Reference(
        "Akiba, T., Sano, S., Yanase, T., Ohta, T. & Koyama, M. (2019). Optuna: a next-generation hyperparameter "
        "optimization framework.",
        "Proceedings of KDD \N{RIGHT SINGLE QUOTATION MARK}19,",
        f"2623{_EN}2631. doi:10.1145/3292500.3330701",
    ),
    "garch": Reference(
        "Bollerslev, T. (1986). Generalized autoregressive conditional heteroskedasticity.",
        "Journal of Econometrics",
        f"31(3), 307{_EN}327. doi:10.1016/0304-4076(86)90063-1",
    ),
    "adf": Reference(
        "Dickey, D. A. & Fuller, W. A. (1979). Distribution of the estimators for autoregressive time series with a "
        "unit root.",
        "Journal of the American Statistical Association",
        f"74(366), 427{_EN}431. doi:10.1080/01621459.1979.10482531",
    ),
    "granger": Reference(
        "Granger, C. W. J. (1969). Investigating causal relations by econometric models and cross-spectral methods.",
        "Econometrica",
        f"37(3), 424{_EN}438. doi:10.2307/1912791",
    ),
    "mixtures": Reference(
        "Guo, T., Bifet, A. & Antulov-Fantulin, N. (2018). Bitcoin volatility forecasting with a glimpse into buy and "
        "sell orders.",
        "IEEE International Conference on Data Mining,",
        f"989{_EN}994. arXiv:1802.04065",
    ),
    "lstm": Reference(
        "Hochreiter, S. & Schmidhuber, J. (1997). Long short-term memory.",
        "Neural Computation",
        f"9(8), 1735{_EN}1780. doi:10.1162/neco.1997.9.8.1735",
    ),
    "kpss": Reference(
        "Kwiatkowski, D., Phillips, P. C. B., Schmidt, P. & Shin, Y. (1992). Testing the null hypothesis of "
        "stationarity against the alternative of a unit root.",
        "Journal of Econometrics",
        f"54(1{_EN}3), 159{_EN}178. doi:10.1016/0304-4076(92)90104-Y",
    ),
    "lasso": Reference(
        "Tibshirani, R. (1996). Regression shrinkage and selection via the lasso.",
        "Journal of the Royal Statistical Society, Series B",
        f"58(1), 267{_EN}288. doi:10.1111/j.2517-6161.1996.tb02080.x",
    ),
}


def references(models: set[str], tables: Tables) -> list[Reference]:
    """What a run cites, by author.

    Args:
        models: Its models.
        tables: Its tables: which tests, sets and searches were made.
    """
    tests = set(tables["diagnostics"]["test"]) if "diagnostics" in tables else set()
    topics = {
        "HAR": HAR in models,
        "QLIKE": "metrics" in tables,
        "XGB": any("XGB" in name for name in models),
        "tests": "tests" in tables,
        "small samples": "tests" in tables,
        "sets": "confidence_sets" in tables,
        "bootstrap": "confidence_sets" in tables,
        "tpe": "trials" in tables,
        "garch": any(GARCH in name for name in models),
        "adf": "ADF" in tests,
        "kpss": "KPSS" in tests,
        "granger": "granger" in tables,
        "mixtures": any("TM-" in name or name.endswith("-TM") for name in models),
        "lstm": any(LSTM in name for name in models),
        "lasso": any("Flexible" in name for name in models),
    }
    works = {**WORKS, **_OWN}
    return sorted([*(works[topic] for topic, used in topics.items() if used), _PAPER])
