"""A bar on the terminal that says how far a transfer is."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Meter"]

#: Seconds until the bar shows at all: what is done sooner needs none.
_PATIENCE = 0.5


class Meter:
    """Shows `what` with bytes done and to do, on a terminal only; wiped when it is closed."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what, self._stream = what, stream or sys.stderr
        self._from = time.monotonic() + _PATIENCE
        self._live = self._stream.isatty()
        self._bar: tuple[Progress, TaskID] | None = None

    def __call__(self, done: int, total: int) -> None:
        if not self._live:
            return
        if self._bar is None:
            if time.monotonic() < self._from:
                return
            self._bar = self._start()
        progress, task = self._bar
        progress.update(task, completed=done, total=total)

    def _start(self) -> tuple[Progress, TaskID]:
        # Imported here: it takes longer than many a transfer.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        progress = Progress(
            TextColumn("lading: {task.description}", markup=False),
            BarColumn(bar_width=30),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
            transient=True,
        )
        task = progress.add_task(self._what, total=None)
        progress.start()
        return progress, task

    def close(self) -> None:
        """Removes the bar."""
        if self._bar:
            self._bar[0].stop()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
