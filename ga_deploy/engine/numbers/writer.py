"""Writing numbers, each right after it was read: what somebody else changed since the decision is not overwritten."""

from __future__ import annotations

from concurrent.futures import as_completed
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.settings import describe, differing
from ga_deploy.errors import ApiProblem, Denied, DeployError, Locked, NotFound, Outdated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ga_deploy.engine.numbers.plan import NumberPlan
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.numbers import IncomingNumber, NumberSettings

# From the answer that shows a number to the sending of its change.
FRESH_SECONDS = 2.0
# Up to here each number is read by itself; beyond, the account's list shows all of them in one request a thousand.
_FEW = 4
_PAGE = 1000
# How often a number is read again because its change could not be sent in time.
_TRIES = 5


class NumberOutcome(StrEnum):
    """How one number ended. `left`: somebody changed it meanwhile, and it stays as they made it."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    NOT_TRIED = "not_tried"
    LEFT = "left"


@dataclass(frozen=True)
class NumberResult:
    """One number: how it ended, what it had, what it has now (None where that is not known), and what went wrong."""

    number: str
    outcome: NumberOutcome
    before: NumberSettings | None
    after: NumberSettings | None
    problem: DeployError | None = None


class NumberWriter:
    """Writes numbers that still are as they were decided on. `show` is told how many are done."""

    def __init__(self, platform: Platform, pool: Pool, show: Callable[[int], None]) -> None:
        self._platform = platform
        self._pool = pool
        self._show = show
        self._done = 0
        self._moved: list[tuple[NumberPlan, IncomingNumber | None]] = []
        # Numbers whose change was sent once, and whose answer may have been lost.
        self._sent: set[str] = set()

    def write(
        self, planned_numbers: Sequence[NumberPlan], readings: Mapping[str, IncomingNumber] | None = None
    ) -> Iterable[NumberResult]:
        """Yield a result for each number but those that have changed since, which `take_moved` gives.

        `readings` are numbers that were read just now: they count as long as they are fresh. After credentials were
        refused the rest is not tried.
        """
        pending, by_list = list(planned_numbers), len(planned_numbers) > _FEW
        while pending:
            if readings is None and by_list:
                readings = self._platform.list_numbers(None)
            late: list[NumberPlan] = []
            for planned, result in self._write_all(pending, readings):
                if result is None:
                    late.append(planned)
                else:
                    self._done += 1
                    self._show(self._done)
                    yield result
            # A list of many pages may be old before it has come to its end.
            pages = -(-len(readings) // _PAGE) if readings else 0
            by_list = by_list and len(pending) - len(late) > pages
            pending, readings = late, None

    def take_moved(self) -> list[tuple[NumberPlan, IncomingNumber | None]]:
        """Return the numbers that are not as they were decided on, with what they are now (None: gone)."""
        moved, self._moved = self._moved, []
        return moved

    def _write_all(
        self, planned_numbers: Sequence[NumberPlan], readings: Mapping[str, IncomingNumber] | None
    ) -> Iterable[tuple[NumberPlan, NumberResult | None]]:
        """Yield each number with its result; None where its reading was too old by the time it could be sent."""
        waiting = {}
        for planned in planned_numbers:
            if readings is None:
                waiting[self._pool.start(partial(self._read_and_write, planned))] = planned
            else:
                now = readings.get(planned.number)
                waiting[self._pool.start(partial(self._write_one, planned, now))] = planned
        for future in as_completed(waiting):
            planned = waiting[future]
            if future.cancelled():
                yield planned, NumberResult(planned.number, NumberOutcome.NOT_TRIED, planned.before, planned.before)
                continue
            try:
                result = future.result()
            except Outdated:
                yield planned, None
                continue
            if result is None:
                continue
            if isinstance(result.problem, Denied):
                for other in waiting:
                    other.cancel()
            yield planned, result

    def _read_and_write(self, planned: NumberPlan) -> NumberResult | None:
        if planned.owned is None:
            raise ValueError(f"undecided: {planned.number}")
        for _ in range(_TRIES):
            try:
                return self._write_one(planned, self._platform.get_number(planned.owned.sid))
            except Outdated as problem:
                last = problem
            except NotFound:
                return self._write_one(planned, None)
            except Locked:
                raise
            except DeployError as problem:
                return NumberResult(planned.number, NumberOutcome.FAILED, planned.before, None, problem)
        return NumberResult(planned.number, NumberOutcome.FAILED, planned.before, None, last)

    def _write_one(self, planned: NumberPlan, now: IncomingNumber | None) -> NumberResult | None:
        """Change a number as `now` shows it; None if it has moved. Raises Outdated, Locked."""
        if planned.owned is None or planned.wanted is None:
            raise ValueError(f"undecided: {planned.number}")
        if now is not None and planned.number in self._sent and _lacks(now, planned.wanted) == []:
            # The answer to an earlier try was lost, and it was carried out.
            return NumberResult(planned.number, NumberOutcome.CHANGED, planned.before, now.settings)
        if now is None or now.sid != planned.owned.sid or now.settings != planned.owned.settings:
            self._moved.append((planned, now))
            return None
        try:
            self._sent.add(planned.number)
            changed = self._platform.update_number(
                now.sid, planned.wanted, planned.fields, not_after=now.read_at + FRESH_SECONDS
            )
        except (Outdated, Locked):
            raise
        except DeployError as problem:
            return NumberResult(planned.number, NumberOutcome.FAILED, planned.before, None, problem)
        doubt = _judge(changed, planned.wanted)
        outcome = NumberOutcome.FAILED if doubt else NumberOutcome.CHANGED
        return NumberResult(planned.number, outcome, planned.before, changed.settings, doubt)


def _lacks(now: IncomingNumber, wanted: NumberSettings) -> list[str]:
    left = set(differing(now.settings, wanted))
    if not wanted.voice_fallback_url:
        # A method for no URL means nothing; Twilio may well reset it.
        left.discard("voice_fallback_method")
    return sorted(left)


def _judge(now: IncomingNumber, wanted: NumberSettings) -> DeployError | None:
    """Return an error if Twilio took the change and yet shows another; its answer is the only proof there is."""
    left = _lacks(now, wanted)
    if not left:
        return None
    return ApiProblem(
        f"{now.number} does not have what it was given",
        why=f"Twilio accepted the change but shows {describe(now.settings)} ({', '.join(left)})",
        fix="run the command again, and look at the number in the Twilio Console",
    )
