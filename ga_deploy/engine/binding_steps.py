"""Carrying out what `bindings` decided: remember, then change, a few numbers at a time, and say how each ended."""

from __future__ import annotations

from concurrent.futures import as_completed
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.bindings import Binding, Verdict
from ga_deploy.engine.number_records import RememberedNumber
from ga_deploy.engine.number_settings import describe, differing
from ga_deploy.engine.parallel import open_pool
from ga_deploy.errors import ApiProblem, Denied, DeployError, Locked
from ga_deploy.events import Report, StepDone, StepProgress, StepStarted, ignore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from ga_deploy.engine.number_records import NumberRecord
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model import IncomingNumber, NumberSettings

_KEY = "numbers"
# A log without a terminal gets a line each time, so a thousand numbers make about twenty.
_REPORTS = 20


class Outcome(StrEnum):
    """How one number ended."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True)
class NumberResult:
    """One number: how it ended, what it had, what it has now (None where that is not known), and what went wrong."""

    number: str
    outcome: Outcome
    before: NumberSettings | None
    after: NumberSettings | None
    problem: DeployError | None = None


def bind_numbers(
    platform: Platform,
    bindings: Sequence[Binding],
    record: NumberRecord,
    *,
    report: Report = ignore,
) -> tuple[NumberResult, ...]:
    """Point numbers at us; what each had is recorded before the first is changed. One result a binding, in order.

    A number that fails does not stop the others, but for credentials that are refused: then the rest is not tried.
    Raises if the record cannot be written; nothing is changed then.
    """
    _require_decided(bindings)
    remember_numbers(bindings, record)
    return _change(platform, bindings, report, "Binding", "bound")


def remember_numbers(bindings: Sequence[Binding], record: NumberRecord) -> None:
    """Write down what numbers have, and what they are about to be given.

    Of a number that reaches us already only the new URL is noted: what it had before us stays as it is recorded, and
    without a record there is nothing that could be given back.
    """
    recorded = record.recall() if any(b.is_ours for b in bindings) else {}
    entries = []
    for binding in bindings:
        if binding.owned is None or binding.wanted is None or binding.verdict is not Verdict.CHANGE:
            continue
        earlier = recorded.get(binding.number)
        if binding.is_ours and earlier is None:
            continue
        before = earlier.before if binding.is_ours and earlier else binding.owned.settings
        entries.append(RememberedNumber(binding.owned.sid, binding.number, before, binding.wanted.voice_url))
    if entries:
        record.remember(entries)


def restore_numbers(
    platform: Platform,
    bindings: Sequence[Binding],
    record: NumberRecord,
    *,
    report: Report = ignore,
) -> tuple[NumberResult, ...]:
    """Give numbers back what they had; those that have it again are forgotten. One result a binding, in order."""
    _require_decided(bindings)
    results = _change(platform, bindings, report, "Giving back", "given back")
    record.forget([result.number for result in results if result.outcome in {Outcome.CHANGED, Outcome.UNCHANGED}])
    return results


def _change(
    platform: Platform, bindings: Sequence[Binding], report: Report, doing: str, done: str
) -> tuple[NumberResult, ...]:
    results = {b.number: NumberResult(b.number, Outcome.UNCHANGED, b.before, b.before) for b in bindings}
    todo = [binding for binding in bindings if binding.verdict is Verdict.CHANGE]
    if not todo:
        return tuple(results.values())
    noun = "number" if len(todo) == 1 else "numbers"
    report(StepStarted(_KEY, f"{doing} {len(todo)} {noun}"))
    with open_pool() as pool:
        waiting = {pool.start(partial(_change_one, platform, binding)): binding for binding in todo}
        for count, future in enumerate(as_completed(waiting), 1):
            result = future.result() if not future.cancelled() else _not_tried(waiting[future])
            results[result.number] = result
            if isinstance(result.problem, Denied):
                _cancel(waiting)
            if len(todo) > 1 and (count * _REPORTS) // len(todo) != ((count - 1) * _REPORTS) // len(todo):
                report(StepProgress(_KEY, count, len(todo)))
    changed = sum(result.outcome is Outcome.CHANGED for result in results.values())
    if changed:
        report(StepDone(_KEY, f"{changed} {'number' if changed == 1 else 'numbers'} {done}"))
    return tuple(results.values())


def _change_one(platform: Platform, binding: Binding) -> NumberResult:
    if binding.owned is None or binding.wanted is None:
        raise ValueError(f"undecided: {binding.number}")
    try:
        now = platform.update_number(binding.owned.sid, binding.wanted, binding.fields)
    except Locked:
        raise
    except DeployError as problem:
        return NumberResult(binding.number, Outcome.FAILED, binding.before, None, problem)
    doubt = _judge(now, binding.wanted)
    outcome = Outcome.FAILED if doubt else Outcome.CHANGED
    return NumberResult(binding.number, outcome, binding.before, now.settings, doubt)


def _judge(now: IncomingNumber, wanted: NumberSettings) -> DeployError | None:
    """Return an error if Twilio took the change and yet shows another; its answer is the only proof there is."""
    left = set(differing(now.settings, wanted))
    if not wanted.voice_fallback_url:
        # A method for no URL means nothing; Twilio may well reset it.
        left.discard("voice_fallback_method")
    if not left:
        return None
    return ApiProblem(
        f"{now.number} does not have what it was given",
        why=f"Twilio accepted the change but shows {describe(now.settings)} ({', '.join(sorted(left))})",
        fix="run the command again, and look at the number in the Twilio Console",
    )


def _not_tried(binding: Binding) -> NumberResult:
    return NumberResult(binding.number, Outcome.NOT_TRIED, binding.before, binding.before)


def _cancel(futures: dict[Future[NumberResult], Binding]) -> None:
    for future in futures:
        future.cancel()


def _require_decided(bindings: Sequence[Binding]) -> None:
    refused = [binding.number for binding in bindings if binding.verdict is Verdict.REFUSED]
    if refused:
        raise ValueError(f"refused numbers must not be carried out: {', '.join(refused)}")
