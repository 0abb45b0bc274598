"""`simulate`: run whole calls through the rendered functions as Twilio would, and check them.

The functions run in processes on this machine. Nothing is deployed and no account is needed. ASAPP is a mock, except
with `--asapp live`. `call_results` reports the results. Long because everything that a run of calls needs is prepared
here: config, packages, scenarios, voices, recordings.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ga_deploy.errors import ConfigInvalid, ExitCode, Terminated, Usage
from ga_deploy.events import StepDone, StepStarted
from ga_deploy.folders import TemporaryFolder
from ga_deploy.harness.terminable import run_terminable
from ga_deploy.invocation.simulate_options import MICROPHONE, Options, check_options, check_outputs
from ga_deploy.output.call_results import Calls, report_calls
from ga_deploy.output.call_table import Progress

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config
    from ga_deploy.harness.functions import FunctionHarness
    from ga_deploy.invocation.context import Context
    from ga_deploy.simulate.judge.verdict import Verdict
    from ga_deploy.simulate.media.stream import Person
    from ga_deploy.simulate.scenario.scenario import Scenario
    from ga_deploy.ui import Ui

# The scenarios that run if none is named: one call for each way in which a conversation can end.
USUAL = ("agent", "system", "completed", "caller-hangs-up", "asapp-down")

# Calls at the same time in a load test without `--concurrency`.
USUAL_LINES = 10


def run(ctx: Context, options: Options) -> ExitCode:
    """Run the calls and report their verdicts. Raises CallFailed (exit 6) if one failed.

    An interrupted run still reports the verdicts of the calls that have ended, and exits with 130 or 143.
    """
    from ga_deploy.simulate.scenario.file import find_scenarios, list_shipped

    check_options(options, local=ctx.local)
    usual = USUAL if options.asapp == "mock" else USUAL[:1]
    names = [path.stem for path in list_shipped()] if options.every or options.listed else options.scenarios or usual
    scenarios = find_scenarios(names)
    if options.listed:
        return _list(ctx, scenarios)
    check_outputs(options, keep=(ctx.config_path, *(Path(scenario.file) for scenario in scenarios)))
    began = time.monotonic()
    calls = Calls()
    with _recordings(options) as folder, _open_microphone(options) as person:
        try:
            run_terminable(_place_calls(ctx, options, scenarios, folder, person, calls))
        except (KeyboardInterrupt, Terminated) as stopped:
            if not calls.planned:
                raise
            ctx.ui.redraw(None)
            is_terminated = isinstance(stopped, Terminated)
            calls.stopped = ExitCode.TERMINATED if is_terminated else ExitCode.INTERRUPTED
    return report_calls(ctx, options, calls, time.monotonic() - began)


def _list(ctx: Context, scenarios: Sequence[Scenario]) -> ExitCode:
    width = max(len(scenario.name) for scenario in scenarios)
    lines = [f"{scenario.name:<{width}}  {scenario.title}" for scenario in scenarios]
    listed = [{"name": one.name, "title": one.title, "tags": list(one.tags)} for one in scenarios]
    ctx.ui.result({"scenarios": listed}, "\n".join(lines))
    return ExitCode.OK


def load_config_of(ctx: Context, asapp: str) -> Config:
    """Load the config without a Twilio account; with the mock, no `${…}` of it needs to be set."""
    from ga_deploy.config.load import load_config

    if asapp == "live":
        config = load_config(ctx.config_path, ctx.environment, environ=_Environ(os.environ))
    else:
        from ga_deploy.config.load import LocalStandIn
        from ga_deploy.redact import Secret

        stand_in = LocalStandIn(
            account_sid="AC" + "0" * 32,
            auth_token=Secret("simulated-auth-token"),
            asapp_host="http://127.0.0.1:9",
            api_id=Secret("simulated-id"),
            api_secret=Secret("simulated-secret"),
        )
        config = load_config(ctx.config_path, ctx.environment, local=stand_in)
    for warning in config.warnings:
        ctx.ui.warn(warning.what, why=warning.why, fix=warning.fix, at=warning.at)
    return config


class _Environ(Mapping[str, str]):
    """The environment, with stand-ins for Twilio's credentials: no call of a simulation reaches Twilio."""

    _stand_ins: ClassVar[dict[str, str]] = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "simulated-auth-token",
    }

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._values = {**self._stand_ins, **environ}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@contextmanager
def _recordings(options: Options) -> Iterator[Path | None]:
    """Yield the folder for recordings: the user's, a temporary one for the report, or None."""
    if options.record is not None:
        yield options.record
    elif options.report is not None:
        with TemporaryFolder("ga-deploy-calls-") as folder:
            yield folder
    else:
        yield None


@contextmanager
def _open_microphone(options: Options) -> Iterator[Person | None]:
    """Yield the person at this machine with `--audio microphone`, else None."""
    if str(options.audio) != MICROPHONE:
        yield None
        return
    from ga_deploy.simulate.media.microphone import Microphone

    with Microphone() as person:
        yield person


async def _place_calls(
    ctx: Context,
    options: Options,
    scenarios: Sequence[Scenario],
    folder: Path | None,
    person: Person | None,
    done: Calls,
) -> None:
    """Place the calls. Results go into `done` as they come, because the run may be interrupted."""
    from ga_deploy.harness.scripts import find_bad_scripts
    from ga_deploy.simulate.scenario.names import find_unknown_names
    from ga_deploy.simulate.scenario.runner import run_scenarios

    waiting = _Waiting(ctx.ui)
    harness = _make_harness(ctx, options, folder, person, waiting.hear)
    findings = (*find_bad_scripts(scenarios), *find_unknown_names(scenarios, harness.deployment))
    if findings:
        raise ConfigInvalid(findings)
    _check_voices(ctx, options, scenarios)
    ctx.ui.event(StepStarted("packages", "the functions' packages"))
    async with waiting.told(), harness:
        waiting.end()
        ctx.ui.event(StepDone("packages", "the functions' packages are here"))
        calls = _choose_calls(ctx.ui, options, scenarios, harness, done)
        done.planned = len(calls)
        progress = Progress(ctx.ui, len(calls))

        def take(verdict: Verdict) -> None:
            done.verdicts.append(verdict)
            progress.take(verdict)

        if options.calls:
            lines = options.concurrency or min(USUAL_LINES, options.calls)
            done.verdicts, done.load = await _place_load(calls, harness, lines, progress.start, take)
        else:
            concurrency = 1 if person else options.concurrency or (1 if options.asapp == "live" else 6)
            done.verdicts = await run_scenarios(
                calls, harness, concurrency=concurrency, on_start=progress.start, on_verdict=take
            )
        progress.end()


def _make_harness(
    ctx: Context, options: Options, folder: Path | None, person: Person | None, on_fetch: Callable[[str], None]
) -> FunctionHarness:
    from ga_deploy.gateway.trust import open_tls_context
    from ga_deploy.harness.functions import FunctionHarness
    from ga_deploy.harness.options import HarnessOptions
    from ga_deploy.local import npm_cache

    config = load_config_of(ctx, options.asapp)
    live = options.asapp == "live"
    if live:
        # A variable that names no certificates would fail every call, for a reason that only the user can correct.
        open_tls_context(os.environ)
    return FunctionHarness(
        config,
        HarnessOptions(
            npm_cache=npm_cache(),
            live=live,
            flow=options.flow,
            speed=1.0 if options.calls or person else None,
            caller_says=str(options.audio) if options.audio and not person else "",
            person=person,
            record_to=_Recordings(folder) if folder else None,
            on_fetch=on_fetch,
        ),
    )


def _choose_calls(
    ui: Ui, options: Options, scenarios: Sequence[Scenario], harness: FunctionHarness, done: Calls
) -> list[Scenario]:
    """Return the calls to place. Name the scenarios that do not apply. Raises Usage when none does."""
    from ga_deploy.simulate.scenario.runner import expand, why_left_out

    live = options.asapp == "live"
    scripted = "a live ASAPP does not follow a script" if live else ""
    reasons = {
        one.name: (scripted if one.asapp.faults else "") or why_left_out(one, harness.deployment) for one in scenarios
    }
    done.left_out = {name: why for name, why in reasons.items() if why}
    calls = list(expand(_for_live(scenarios) if live else scenarios, harness.deployment))
    if not calls:
        why = "; ".join(f"{name}: {reason}" for name, reason in done.left_out.items())
        raise Usage("none of these scenarios fits this config", why=why, fix="name other scenarios, or use `--all`")
    for name, reason in done.left_out.items():
        ui.note(f"  left out: {name}, because {reason}")
    for widget in harness.not_here:
        ui.note(f"  not simulated: {widget}; calls take the failure exit of this widget")
    if options.calls:
        return [_numbered(calls[index % len(calls)], index + 1) for index in range(options.calls)]
    return tell_apart(calls)


class _Waiting:
    """Reports what npm does while the installation of the packages takes long."""

    _first, _every = 5.0, 15.0

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        self._last = ""
        self._telling: asyncio.Task[None] | None = None

    def hear(self, fetched: str) -> None:
        """Remember the latest request of npm."""
        self._last = fetched

    def end(self) -> None:
        """Stop the reports."""
        if self._telling:
            self._telling.cancel()

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Report from time to time, until `end`."""
        self._telling = asyncio.create_task(self._tell())
        try:
            yield
        finally:
            self.end()

    async def _tell(self) -> None:
        since = time.monotonic()
        await asyncio.sleep(self._first)
        while True:
            last = f"; latest request: {self._last}" if self._last else "; its registry has not answered yet"
            self._ui.note(f"  … npm has been installing packages for {time.monotonic() - since:.0f} s{last}")
            await asyncio.sleep(self._every)


def _check_voices(ctx: Context, options: Options, scenarios: Sequence[Scenario]) -> None:
    """Read the WAV of `--audio`. Warn if a WAV of a caller has no speech in it."""
    from ga_deploy.harness.options import read_voice_once
    from ga_deploy.simulate.media.audio import find_speech

    given = [] if options.audio is None or str(options.audio) == MICROPHONE else [str(options.audio)]
    spoken = given or sorted({one.caller.says for one in scenarios if one.caller.says and options.audio is None})
    for name in spoken:
        if not find_speech(read_voice_once(name)):
            ctx.ui.warn(
                f"`{name}` has no speech in it",
                why="no part of it is louder than -40 dBFS, so an agent hears silence",
                fix="pass a WAV with speech",
            )


async def _place_load(
    calls: Sequence[Scenario],
    harness: FunctionHarness,
    concurrency: int,
    start: Callable[[Scenario], None],
    take: Callable[[Verdict], None],
) -> tuple[list[Verdict], dict[str, float]]:
    """Place many calls in real time. The second value also measures how late this tester itself was."""
    from ga_deploy.simulate.scenario.load import run_load
    from ga_deploy.simulate.scenario.runner import run_scenario

    async def place(number: int) -> Verdict:
        start(calls[number])
        return await run_scenario(calls[number], harness)

    done = await run_load(place, len(calls), concurrency, on_done=lambda _, verdict: take(verdict))
    answered = sorted(one.measures["first_twiml"] for one in done.results if "first_twiml" in one.measures)
    return list(done.results), {
        "peak": done.peak,
        "calls_per_second": round(len(calls) / done.seconds, 2),
        "first_twiml_p50": round(_at_share(answered, 0.5), 3),
        "first_twiml_p99": round(_at_share(answered, 0.99), 3),
        "tester_late_p99_ms": round(done.loop.p99_ms, 1),
        "tester_cpu_share": round(done.cpu_share, 2),
        "trustworthy": done.is_trustworthy,
    }


def _at_share(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def _numbered(scenario: Scenario, number: int) -> Scenario:
    return replace(scenario, name=f"{scenario.name}#{number}")


def tell_apart(calls: Sequence[Scenario]) -> list[Scenario]:
    """Number the calls that share a name: reports and recordings use the name as their key."""
    seen: dict[str, int] = {}
    named = []
    for call in calls:
        seen[call.name] = seen.get(call.name, 0) + 1
        named.append(call if seen[call.name] == 1 else _numbered(call, seen[call.name]))
    return named


def _for_live(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Return the scenarios that need no scripted ASAPP, without the expectations that only a script can meet."""
    return [
        replace(
            one,
            expect=replace(
                one.expect,
                outcome=None,
                went=None,
                reaches=None,
                streams=None,
                agent_heard=one.expect.streams != 0,
                may_stay=True,
            ),
        )
        for one in scenarios
        if not one.asapp.faults
    ]


class _Recordings:
    """Names a WAV file for each stream of each call. Two calls never get the same file name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, str] = {}

    def __call__(self, call: str, stream: int) -> Path:
        if call not in self._names:
            plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", call).strip("-.")[:120] or "call"
            taken = set(self._names.values())
            others = (f"{plain}_{number}" for number in range(2, len(taken) + 3))
            self._names[call] = next(name for name in (plain, *others) if name not in taken)
        return self._folder / f"{self._names[call]}-{stream}.wav"
