"""Simulated calls on a terminal and in a log: their progress, and a table of the verdicts."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from ga_deploy.events import StepDone, StepProgress, StepStarted
from ga_deploy.redact import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from ga_deploy.simulate.judge.verdict import Verdict
    from ga_deploy.simulate.scenario.scenario import Scenario
    from ga_deploy.ui import Ui


def count_calls(count: int) -> str:
    """Return `1 call`, `2 calls` …"""
    return f"{count} call" if count == 1 else f"{count} calls"


class Progress:
    """Shows the progress of the calls: a table on a terminal, plain lines elsewhere."""

    _rows = 12

    def __init__(self, ui: Ui, total: int) -> None:
        self._ui = ui
        self._total = total
        self._under_way: dict[str, float] = {}
        self._done: list[Verdict] = []
        self._failed = 0
        if not self._ui.is_live:
            self._ui.event(StepStarted("calls", count_calls(total)))

    def start(self, scenario: Scenario) -> None:
        """Show that a call has begun."""
        self._under_way[scenario.name] = time.monotonic()
        self._redraw()

    def take(self, verdict: Verdict) -> None:
        """Show how a call ended."""
        self._under_way.pop(verdict.record.name, None)
        self._done.append(verdict)
        self._failed += not verdict.passed
        if self._ui.is_live:
            self._redraw()
            return
        self._ui.event(StepProgress("calls", len(self._done), self._total, verdict.record.name))
        if not verdict.passed:
            self._ui.note(f"  ✗ {verdict.record.name}: {verdict.failings[0]}")

    def end(self) -> None:
        """Remove the live display and print that all calls are placed."""
        self._ui.redraw(None)
        self._ui.event(StepDone("calls", f"{count_calls(self._total)} placed", f"{self._failed} failed"))

    def _redraw(self) -> None:
        if self._ui.is_live:
            self._ui.redraw(self)

    def __rich__(self) -> RenderableType:
        """Return the last calls that ended, the calls in progress, and the number of calls."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(width=1)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=40)
        table.add_column()
        room = max(3, self._rows - len(self._under_way))
        for verdict in self._done[-room:]:
            mark = Text("✓", "green") if verdict.passed else Text("✗", "red")
            went = redact(verdict.went if verdict.passed else str(verdict.failings[0]))
            table.add_row(
                mark,
                Text(verdict.record.name),
                Text(went, "dim" if verdict.passed else "red", no_wrap=True, overflow="ellipsis"),
            )
        for name, since in list(self._under_way.items()):
            table.add_row(Text("…", "dim"), Text(name), Text(f"{time.monotonic() - since:.0f} s", "dim"))
        count = f"{len(self._done)} of {self._total} calls, {self._failed} failed"
        return Group(table, Text(count, "red" if self._failed else "bold"))


def draw_table(verdicts: Sequence[Verdict]) -> RenderableType:
    """Return the verdicts as a table: what each caller heard and where the call went. The failures are below it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    table.add_column("call", no_wrap=True)
    table.add_column("the caller heard", ratio=3, overflow="fold")
    table.add_column("the call went", ratio=2, overflow="fold")
    table.add_column("silence", justify="right", no_wrap=True)
    for verdict in verdicts:
        mark = Text("✓", "green") if verdict.passed else Text("✗", "red")
        silence = f"{verdict.measures.get('dead_air', 0.0):.1f} s"
        # Mask secrets before cutting: a part of a secret would not be recognised.
        heard, went = _shorten(redact(verdict.heard)), redact(verdict.went)
        table.add_row(mark, Text(verdict.record.name), Text(heard), Text(went), silence)
    failed = [verdict for verdict in verdicts if not verdict.passed]
    return Group(table, *(_draw_reasons(verdict) for verdict in failed)) if failed else table


def _draw_reasons(verdict: Verdict) -> RenderableType:
    """Return the failures of a call, over the whole width: the table has no room for them."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    reasons = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    reasons.add_column(width=1)
    reasons.add_column(no_wrap=True)
    reasons.add_column(overflow="fold")
    for failing in verdict.failings:
        reasons.add_row("", Text(failing.check, "red"), Text(redact(failing.what)))
    head = Text.assemble(("✗", "red"), "  ", (verdict.record.name, "bold"))
    return Group(Text(), head, reasons)


def _shorten(heard: str) -> str:
    """Return what was heard with long texts cut. The report has them in full."""
    return re.sub(r"“([^”]{36})[^”]{4,}”", r"“\1…”", heard)
