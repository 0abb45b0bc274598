"""How far one simulated call has come: its time, what the caller does meanwhile, and what is on record so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.redact import redact
from ga_deploy.simulate.interpreter.record import CallRecord, DialResult, Ending, Event, Json, Route, StreamLeg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ga_deploy.simulate.interpreter.clock import Clock
    from ga_deploy.simulate.interpreter.plan import CallPlan, CallTarget, Phase, Reaction


class CallerGoneError(Exception):
    """The caller has hung up: whatever was going on in the call ends."""


class CallOverError(Exception):
    """The call is over, for the reason `ending`."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending: Ending = ending


class CallProgress:
    """The time and the record of one call. Times are seconds since the caller dialled."""

    def __init__(self, plan: CallPlan, clock: Clock) -> None:
        self.plan = plan
        self.clock = clock
        self.routes: list[Route] = []
        self.streams: list[tuple[float, StreamLeg]] = []
        self.requests = 0
        self.answered_at: float | None = None
        self._began = clock.now()
        self._events: list[Event] = []
        self._leaves_at: float | None = None

    def now(self) -> float:
        """Return the present moment of the call."""
        return self.clock.now() - self._began

    @property
    def caller_leaves(self) -> bool:
        """Whether it is settled already when the caller will hang up."""
        return self._leaves_at is not None

    def seconds_left(self) -> float | None:
        """Return the seconds until the caller hangs up, 0 if that moment has passed; None if it is not settled."""
        return None if self._leaves_at is None else max(0.0, self._leaves_at - self.clock.now())

    def enter(self, phase: Phase) -> None:
        """Begin a phase of the call. If the caller hangs up in this phase, the time to it starts now."""
        hang_up = self.plan.hang_up
        if hang_up and self._leaves_at is None and hang_up.during == phase:
            self._leaves_at = self.clock.now() + hang_up.after

    def check_caller(self) -> None:
        """Raise CallerGoneError if the caller has hung up by now."""
        if self._leaves_at is not None and self.clock.now() >= self._leaves_at:
            raise CallerGoneError

    def answer(self) -> None:
        """Let Twilio answer the call, unless it has done so."""
        if self.answered_at is None:
            self.answered_at = self.now()
            self.note("answered", "Twilio answers the call")
            self.enter("greeting")

    def react(self, target: CallTarget) -> Reaction:
        """Return how `target` reacts to being called now."""
        return self.plan.react(target, len(self.routes))

    def add_routes(self, targets: Iterable[CallTarget], result: DialResult, at: float) -> None:
        """Record that the caller was handed to these targets at `at`, all with the same result."""
        self.routes += [Route(one.kind, one.address, result, at, one.terms, one.task) for one in targets]

    def add(self, event: Event) -> None:
        """Put an event on record as it is."""
        self._events.append(event)

    def note(self, kind: str, label: str, detail: Mapping[str, Json] | None = None) -> None:
        """Put something on record that takes no time. Secrets in `label` are masked."""
        self.add(Event(self.now(), kind, redact(label), detail=detail or {}))

    async def pass_time(
        self,
        kind: str,
        label: str,
        seconds: float,
        *,
        heard: bool = False,
        detail: Mapping[str, Json] | None = None,
    ) -> None:
        """Let `seconds` pass on the line and put them on record.

        Raises CallerGoneError when the caller hangs up meanwhile; the record then has the time until that moment.
        """
        at = self.now()
        left = self.seconds_left()
        gone = left is not None and left <= seconds
        await self.clock.spend(left if left is not None and gone else seconds)
        self.add(Event(at, kind, label, self.now() - at, heard=heard, detail=detail or {}))
        if gone:
            raise CallerGoneError

    def make_record(self, ending: Ending, seconds: float) -> CallRecord:
        """Return the whole call, which took `seconds`, with its events in order of time."""
        plan = self.plan
        return CallRecord(
            plan.name,
            plan.call_sid,
            plan.from_number,
            plan.to_number,
            ending,
            seconds,
            self.answered_at,
            tuple(sorted(self._events, key=lambda event: event.at)),
            tuple(self.routes),
            tuple(self.streams),
            self.requests,
        )
