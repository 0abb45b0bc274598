"""What a terminal shows of the calls: names as they are, one line each while they run, reasons over the whole width."""

from __future__ import annotations

import io

from rich.console import Console

from ga_deploy.output.call_table import Progress, draw_table
from ga_deploy.simulate.interpreter.record import CallRecord
from ga_deploy.simulate.judge.verdict import Failing, Verdict
from ga_deploy.simulate.scenario.scenario import Scenario
from ga_deploy.ui import Ui

LONG = "said: " + "a reason that is longer than any terminal is wide " * 3


def make_verdict(name: str, *reasons: str) -> Verdict:
    record = CallRecord(name, "CA1", "", "", "hung-up", 1.0, 0.0, ())
    return Verdict(record, tuple(Failing("said", reason) for reason in reasons), {"dead_air": 0.5})


def draw(renderable: object) -> list[str]:
    # As the live display does it, where markup in a text would be obeyed.
    drawn = Console(file=io.StringIO(), width=80, color_system=None)
    drawn.print(renderable)
    assert isinstance(drawn.file, io.StringIO)
    return [line.rstrip() for line in drawn.file.getvalue().splitlines()]


def test_while_calls_run_each_has_a_line_and_its_own_name() -> None:
    ui = Ui(out=io.StringIO(), err=io.StringIO(), environ={})
    progress = Progress(ui, 3)
    for name in ("each-voice[us-man]", "odd [/nothing]", "[red]"):
        progress.start(Scenario(name, "t"))
    progress.take(make_verdict("each-voice[us-man]"))
    progress.take(make_verdict("odd [/nothing]", LONG))
    lines = draw(progress)
    assert [line[:22] for line in lines] == [
        "✓  each-voice[us-man] ",
        "✗  odd [/nothing]     ",
        "…  [red]              ",
        "2 of 3 calls, 1 failed",
    ]
    assert lines[1].endswith("…")


def test_reasons_stand_below_the_table_and_have_the_whole_width() -> None:
    lines = draw(draw_table([make_verdict("each-voice[us-man]", LONG), make_verdict("fine")]))
    assert lines.index("✗  each-voice[us-man]") > next(n for n, line in enumerate(lines) if line.startswith("✓  fine"))
    reasons = lines[lines.index("✗  each-voice[us-man]") + 1 :]
    assert reasons[0].startswith("   said  said: a reason")
    assert max(map(len, reasons)) > 70
