"""Sets of plots and tables that are chosen in two directions, such as by target and horizon."""

from collections.abc import Sequence
from typing import NamedTuple

from volforecast.report.page.drawings import Choice, Drawing


class Panel(NamedTuple):
    """What one choice in the first direction shows.

    Attributes:
        label: Its name.
        drawings: Plots that stand above all of the second direction.
        parts: Plots and tables of each choice in the second direction, in their order.
    """

    label: str
    parts: Sequence[Choice]
    drawings: Sequence[Drawing] = ()


class Double(NamedTuple):
    """A chooser in two directions.

    Attributes:
        id: Of the element.
        legend: What the first direction chooses.
        second: What the second chooses.
        labels: Names of its choices.
        panels: The choices of the first.
    """

    id: str
    legend: str
    second: str
    labels: Sequence[str]
    panels: Sequence[Panel]


def double(name: str, legend: str, second: str, labels: Sequence[str], panels: Sequence[Panel]) -> Double:
    """A chooser of the panels that show anything."""
    kept = [panel for panel in panels if panel.drawings or any(part.drawings or part.tables for part in panel.parts)]
    return Double(name, legend, second, labels, kept)
