"""A panel from tables in memory: the way in from a notebook."""

from collections.abc import Sequence
from typing import Literal
from uuid import uuid4

import fsspec
import pandas as pd

from volforecast.data.files import UNREADABLE
from volforecast.data.panel import Columns, Panel, read_panel
from volforecast.errors import PanelError
from volforecast.printable import printable


def make_panel(
    daily: pd.DataFrame,
    assets: pd.DataFrame | None = None,
    market: pd.DataFrame | None = None,
    *,
    columns: Columns | None = None,
    targets: Sequence[str] = (),
    sources: Sequence[str] = (),
    gaps: Literal["error", "allow"] = "error",
    measures: Sequence[str] = (),
) -> Panel:
    """Check tables and make them a panel.

    Args:
        daily: ``asset, date, rv`` (decimal variance per day) and, where known, ``close, volume, earnings_next_day``;
            what lies in its index is not read.
        assets: ``asset, role`` and, where known, ``name, sector, first_trading_day``; None if ``targets`` says enough.
        market: ``date, us3m, hsi, ads, epu, vix``; None if there are no market series.
        columns: As in :func:`volforecast.data.panel.read_panel`.
        targets: Likewise.
        sources: Likewise.
        gaps: Likewise.
        measures: Likewise.

    Raises:
        PanelError: A table breaks a rule; tables are called by the names that they have in a folder.
    """
    if isinstance(targets, str) or isinstance(sources, str) or gaps not in ("error", "allow"):
        raise PanelError(
            f"targets = {targets!r}, sources = {sources!r}, gaps = {gaps!r}: targets and sources are tuples of names, "
            "gaps is error or allow"
        )
    # through Parquet, so that a table in memory and the same one in a folder keep the same rules and have the same
    # fingerprint: a run that began with one can go on with the other
    folder = f"/{uuid4().hex}"
    filesystem = fsspec.filesystem("memory")
    try:
        for name, table in (("daily", daily), ("assets", assets), ("market", market)):
            if table is None:
                continue
            try:
                content = table.to_parquet(index=False)
            except UNREADABLE as error:
                raise PanelError(
                    f"{name}.parquet: this table cannot be stored ({printable(error, 200)}); columns hold text, "
                    "numbers or dates, each of one kind"
                ) from error
            filesystem.pipe_file(f"{folder}/{name}.parquet", content)
        return read_panel(
            f"memory:/{folder}",
            columns=columns,
            targets=tuple(targets),
            sources=tuple(sources),
            gaps=gaps,
            measures=measures,
        )
    finally:
        if filesystem.exists(folder):
            filesystem.rm(folder, recursive=True)
