"""Writing numbers, each right after it was read: this overwrites no change of others since the plan."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ga_deploy.engine.numbers.list_readings import FRESH_SECONDS, ListReadings
from ga_deploy.engine.numbers.settings import describe, differing
from ga_deploy.errors import ApiProblem, Denied, DeployError, Locked, NotFound, Outdated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from ga_deploy.engine.numbers.plan import NumberPlan
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.numbers import IncomingNumber, NumberSettings

# A few more than the gateway lets through at once: some always wait there, and the list does not wait long behind them.
_AT_ONCE = 10
# How often a number is read again because its change could not be sent in time.
_TRIES = 5


class NumberOutcome(StrEnum):
    """The outcome of one number. `left`: somebody changed it in the meantime, and it stays like that."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    NOT_TRIED = "not_tried"
    LEFT = "left"


@dataclass(frozen=True)
class NumberResult:
    """The result of one number: outcome, settings before and after (None if unknown), and the error."""

    number: str
    outcome: NumberOutcome
    before: NumberSettings | None
    after: NumberSettings | None
    problem: DeployError | None = None


class NumberWriter:
    """Writes numbers that have not changed since their plan. `show` is called with the count of finished numbers."""

    def __init__(self, platform: Platform, pool: Pool, show: Callable[[int], None]) -> None:
        self._platform = platform
        self._pool = pool
        self._show = show
        self._done = 0
        self._moved: list[tuple[NumberPlan, IncomingNumber | None]] = []
        # Numbers whose change was sent once; the answer may have been lost.
        self._sent: set[str] = set()

    def write(
        self, planned_numbers: Sequence[NumberPlan], readings: Mapping[str, IncomingNumber] | None = None
    ) -> Iterable[NumberResult]:
        """Yield a result for each number, except those that changed since their plan: `take_moved` returns them.

        `readings` are numbers that were read just now; they are used while they are fresh. If the credentials are
        refused, the rest is not tried.
        """
        queue = deque(planned_numbers)
        ended: SimpleQueue[Future[Any]] = SimpleQueue()
        under_way: dict[Future[Any], tuple[NumberPlan, int]] = {}
        lists = ListReadings(
            partial(self._start, ended, partial(self._platform.list_numbers, None)), readings, len(queue)
        )
        while queue or under_way:
            lists.refresh(len(queue))
            while queue and len(under_way) < _AT_ONCE and (lists.numbers is not None or not lists.is_worth_it):
                planned = queue.popleft()
                under_way[self._start(ended, self._prepare(planned, lists.numbers))] = (planned, lists.serial)
            try:
                future = ended.get(timeout=lists.wait if queue else None)
            except Empty:
                continue
            if lists.take(future):
                continue
            planned, serial = under_way.pop(future)
            try:
                result: NumberResult | None = future.result()
            except Outdated:
                lists.drop_outdated(serial)
                queue.appendleft(planned)
                continue
            lists.count_served(serial)
            if result is None:
                continue
            yield self._count(result)
            if isinstance(result.problem, Denied):
                for other in queue:
                    yield self._count(NumberResult(other.number, NumberOutcome.NOT_TRIED, other.before, other.before))
                queue.clear()

    def take_moved(self) -> list[tuple[NumberPlan, IncomingNumber | None]]:
        """Return the plans of numbers that changed since, with the number as it is now (None: no longer owned)."""
        moved, self._moved = self._moved, []
        return moved

    def _start(self, ended: SimpleQueue[Future[Any]], call: Callable[[], Any]) -> Future[Any]:
        """Start a call in another thread; its future is put into `ended` when it has ended."""
        future = self._pool.start(call)
        future.add_done_callback(ended.put)
        return future

    def _count(self, result: NumberResult) -> NumberResult:
        self._done += 1
        self._show(self._done)
        return result

    def _prepare(
        self, planned: NumberPlan, numbers: Mapping[str, IncomingNumber] | None
    ) -> Callable[[], NumberResult | None]:
        """Return the write of a number, as a list shows it or, without a list, with a reading of its own."""
        if numbers is None:
            return partial(self._read_and_write, planned)
        return partial(self._write_one, planned, numbers.get(planned.number))

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
        """Change a number that was read as `now`; None if it changed since its plan. Raises Outdated, Locked."""
        if planned.owned is None or planned.wanted is None:
            raise ValueError(f"undecided: {planned.number}")
        if now is not None and planned.number in self._sent and _lacks(now, planned.wanted) == []:
            # An earlier request was carried out, but its answer was lost.
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
        # A method without a URL has no effect, and Twilio may reset it.
        left.discard("voice_fallback_method")
    return sorted(left)


def _judge(now: IncomingNumber, wanted: NumberSettings) -> DeployError | None:
    """Return an error if Twilio accepted the change but returns other settings. Its answer is the only proof."""
    left = _lacks(now, wanted)
    if not left:
        return None
    return ApiProblem(
        f"{now.number} does not have the settings that were sent",
        why=f"Twilio accepted the change but shows {describe(now.settings)} ({', '.join(left)})",
        fix="run the command again, and look at the number in the Twilio Console",
    )
