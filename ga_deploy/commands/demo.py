"""`demo`: deploy in a temporary folder with the commands that users run, then simulate calls to the number.

The result is a table. For each way in which a call can end, it shows what the caller heard and where the call went. The
exit code is 0 only if every call passed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ga_deploy.errors import CallFailed, DeployError, ExitCode
from ga_deploy.events import StepDone, StepStarted
from ga_deploy.folders import TemporaryFolder
from ga_deploy.harness.terminable import run_terminable
from ga_deploy.invocation.context import Context
from ga_deploy.ui import Ui

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType
    from rich.table import Table

    from ga_deploy.events import Event
    from ga_deploy.simulate.judge.verdict import Verdict
    from ga_deploy.simulate.scenario.scenario import Scenario

NUMBER = "+15550100000"
# One scenario for each way in which a call can end, in the order of the table.
ENDINGS = ("agent", "system", "completed", "caller-hangs-up", "stream-dropped", "result-missing", "asapp-down")
# It runs first: after an answered call the functions have a stream URL in memory, and such a fault does not end calls.
NEEDS_A_COLD_START = "asapp-down"


def run(ctx: Context) -> ExitCode:
    """Run the demo. Raises `CallFailed` (exit 6) if a call failed."""
    began = time.monotonic()
    with TemporaryFolder("ga-deploy-demo-") as folder:
        steps = _Steps(ctx, folder)
        try:
            steps.prepare()
            verdicts = steps.place_calls()
        finally:
            steps.close()
    seconds = time.monotonic() - began
    payload = {
        "passed": all(verdict.passed for verdict in verdicts),
        "seconds": round(seconds, 1),
        "calls": [
            {
                "ending": verdict.record.name,
                "heard": verdict.heard,
                "went": verdict.went,
                "passed": verdict.passed,
                "failings": [str(failing) for failing in verdict.failings],
            }
            for verdict in verdicts
        ],
    }
    wrong = [verdict for verdict in verdicts if not verdict.passed]
    ctx.ui.note("")
    ctx.ui.result(payload, _table(verdicts))
    if wrong:
        raise CallFailed(
            f"{len(wrong)} of {len(verdicts)} calls failed",
            why="\n".join(f"{verdict.record.name}: {failing}" for verdict in wrong for failing in verdict.failings),
            fix="this is a bug of ga-deploy: report it with the output of `ga-deploy demo --json`",
        )
    ctx.ui.note(f"\n{len(verdicts)} of {len(verdicts)} calls passed in {seconds:.0f} s.")
    ctx.ui.note("Start your own project with `ga-deploy init`.")
    return ExitCode.OK


class _Steps:
    """The steps of the demo. Each runs the real command in the folder of the demo."""

    def __init__(self, ctx: Context, folder: Path) -> None:
        self._ui = ctx.ui
        self._folder = folder
        self._ctx = Context(folder / "config.yaml", None, local=True, yes=False, ui=_Narrator(ctx.ui))

    def prepare(self) -> None:
        """Run init, up and bind-number."""
        from ga_deploy.commands import bind_number, init, up

        self._say("ga-deploy init")
        self._expect(init.run(self._ctx, self._folder, flow=False, templates=False, force=False))
        stack = self._ctx.stack
        assert stack is not None, "the demo is local"
        stack.own_numbers([NUMBER])
        self._say("ga-deploy up --local")
        self._expect(up.run(self._ctx))
        self._say(f"ga-deploy bind-number {NUMBER} --local")
        self._expect(
            bind_number.run(self._ctx, numbers=[NUMBER], to="engage", profile=None, from_file=None, force=False)
        )

    def place_calls(self) -> list[Verdict]:
        """Simulate one call to the number for each ending."""
        from ga_deploy.harness.deployed import DeployedHarness
        from ga_deploy.harness.describe import describe
        from ga_deploy.harness.functions import FAST
        from ga_deploy.local import AUTH_TOKEN
        from ga_deploy.simulate.scenario.file import find_scenarios
        from ga_deploy.simulate.scenario.runner import run_scenarios

        config = self._ctx.load()
        stack = self._ctx.stack
        assert stack is not None, "the demo is local"
        number = self._ctx.gateway(config).list_numbers([NUMBER])[NUMBER]
        self._say(f"calls to {NUMBER}, answered by {number.settings.voice_url}")
        deployment = describe(config, number.settings.voice_url, config.twilio.account_sid)
        harness = DeployedHarness(stack, deployment, AUTH_TOKEN, speed=FAST)
        scenarios = sorted(find_scenarios(ENDINGS), key=lambda scenario: scenario.name != NEEDS_A_COLD_START)

        def started(scenario: Scenario) -> None:
            self._ui.event(StepStarted(scenario.name, f"Calling: {scenario.title}"))

        def ended(verdict: Verdict) -> None:
            self._ui.event(StepDone(verdict.record.name, f"Called: {verdict.title}"))

        calls = run_scenarios(scenarios, harness, concurrency=1, on_start=started, on_verdict=ended)
        verdicts = run_terminable(calls)
        return sorted(verdicts, key=lambda verdict: ENDINGS.index(verdict.record.name))

    def close(self) -> None:
        """End the emulator."""
        self._ctx.close()

    def _say(self, text: str) -> None:
        self._ui.note(f"$ {text}" if text.startswith("ga-deploy") else text)

    def _expect(self, code: ExitCode) -> None:
        if code is not ExitCode.OK:
            raise DeployError(
                "the demo stopped",
                why=f"a step ended with exit code {int(code)}",
                fix="run it with -v to see its requests",
            )


class _Narrator(Ui):
    """Shows the progress of the steps, without their results and notes."""

    def __init__(self, ui: Ui) -> None:
        super().__init__(verbosity=ui.verbosity)
        self._ui = ui

    def event(self, event: Event) -> None:
        """Pass it on."""
        self._ui.event(event)

    def note(self, text: str) -> None:
        """Leave it out."""

    def result(self, payload: Mapping[str, object], human: RenderableType | str = "") -> None:
        """Leave it out."""


def _table(verdicts: Sequence[Verdict]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading in ("ending", "the caller heard", "the call went", ""):
        table.add_column(heading)
    for verdict in verdicts:
        ending = verdict.record.name.replace("-", " ")
        table.add_row(ending, verdict.heard, verdict.went, "ok" if verdict.passed else "WRONG")
    return table
