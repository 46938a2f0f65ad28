"""The panel that all benchmarks share: simulated, of the paper's size (66 sources, 3,200 days)."""

from functools import cache

from volforecast.data.panel import Panel
from volforecast.data.simulate import simulate_panel
from volforecast.data.simulate_settings import SimulatorSettings
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.rolling import Market

SOURCES, DAYS = 66, 3200


@cache
def market(sources: int = SOURCES, days: int = DAYS, targets: int = 1) -> Market:
    """All rows of a simulated panel, as the units of the new-issues study read them."""
    size = SimulatorSettings(
        sources=sources, targets=targets, source_days=days, target_days=min(600, days), listing_gap_days=0
    )
    panel = simulate_panel(size, seed=1)
    tables = Panel(panel.assets, panel.daily, panel.market, "simulated")
    return NewIssues(NewIssuesConfig().checked()).load(tables)
