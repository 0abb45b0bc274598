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

    from ga_deploy.engine.numbers.plan import Binding
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


class Outcome(StrEnum):
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
    outcome: Outcome
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
        self._moved: list[tuple[Binding, IncomingNumber | None]] = []
        # Numbers whose change was sent once, and whose answer may have been lost.
        self._sent: set[str] = set()

    def write(
        self, bindings: Sequence[Binding], readings: Mapping[str, IncomingNumber] | None = None
    ) -> Iterable[NumberResult]:
        """Yield a result for each number but those that have changed since, which `take_moved` gives.

        `readings` are numbers that were read just now: they count as long as they are fresh. After credentials were
        refused the rest is not tried.
        """
        pending, by_list = list(bindings), len(bindings) > _FEW
        while pending:
            if readings is None and by_list:
                readings = self._platform.list_numbers(None)
            late: list[Binding] = []
            for binding, result in self._write_all(pending, readings):
                if result is None:
                    late.append(binding)
                else:
                    self._done += 1
                    self._show(self._done)
                    yield result
            # A list of many pages may be old before it has come to its end.
            pages = -(-len(readings) // _PAGE) if readings else 0
            by_list = by_list and len(pending) - len(late) > pages
            pending, readings = late, None

    def take_moved(self) -> list[tuple[Binding, IncomingNumber | None]]:
        """Return the numbers that are not as they were decided on, with what they are now (None: gone)."""
        moved, self._moved = self._moved, []
        return moved

    def _write_all(
        self, bindings: Sequence[Binding], readings: Mapping[str, IncomingNumber] | None
    ) -> Iterable[tuple[Binding, NumberResult | None]]:
        """Yield each number with its result; None where its reading was too old by the time it could be sent."""
        waiting = {}
        for binding in bindings:
            if readings is None:
                waiting[self._pool.start(partial(self._read_and_write, binding))] = binding
            else:
                now = readings.get(binding.number)
                waiting[self._pool.start(partial(self._write_one, binding, now))] = binding
        for future in as_completed(waiting):
            binding = waiting[future]
            if future.cancelled():
                yield binding, NumberResult(binding.number, Outcome.NOT_TRIED, binding.before, binding.before)
                continue
            try:
                result = future.result()
            except Outdated:
                yield binding, None
                continue
            if result is None:
                continue
            if isinstance(result.problem, Denied):
                for other in waiting:
                    other.cancel()
            yield binding, result

    def _read_and_write(self, binding: Binding) -> NumberResult | None:
        if binding.owned is None:
            raise ValueError(f"undecided: {binding.number}")
        for _ in range(_TRIES):
            try:
                return self._write_one(binding, self._platform.get_number(binding.owned.sid))
            except Outdated as problem:
                last = problem
            except NotFound:
                return self._write_one(binding, None)
            except Locked:
                raise
            except DeployError as problem:
                return NumberResult(binding.number, Outcome.FAILED, binding.before, None, problem)
        return NumberResult(binding.number, Outcome.FAILED, binding.before, None, last)

    def _write_one(self, binding: Binding, now: IncomingNumber | None) -> NumberResult | None:
        """Change a number as `now` shows it; None if it has moved. Raises Outdated, Locked."""
        if binding.owned is None or binding.wanted is None:
            raise ValueError(f"undecided: {binding.number}")
        if now is not None and binding.number in self._sent and _lacks(now, binding.wanted) == []:
            # The answer to an earlier try was lost, and it was carried out.
            return NumberResult(binding.number, Outcome.CHANGED, binding.before, now.settings)
        if now is None or now.sid != binding.owned.sid or now.settings != binding.owned.settings:
            self._moved.append((binding, now))
            return None
        try:
            self._sent.add(binding.number)
            changed = self._platform.update_number(
                now.sid, binding.wanted, binding.fields, not_after=now.read_at + FRESH_SECONDS
            )
        except (Outdated, Locked):
            raise
        except DeployError as problem:
            return NumberResult(binding.number, Outcome.FAILED, binding.before, None, problem)
        doubt = _judge(changed, binding.wanted)
        outcome = Outcome.FAILED if doubt else Outcome.CHANGED
        return NumberResult(binding.number, outcome, binding.before, changed.settings, doubt)


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
