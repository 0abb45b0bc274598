"""Carrying out what `bindings` decided: remember, read again, change, and say how each number ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.plan import NumberPlan, Verdict
from ga_deploy.engine.numbers.record import RememberedNumber
from ga_deploy.engine.numbers.settings import describe
from ga_deploy.engine.numbers.writer import NumberOutcome, NumberResult, NumberWriter
from ga_deploy.engine.parallel import open_pool
from ga_deploy.errors import DeployError
from ga_deploy.events import Report, StepDone, StepProgress, StepStarted, ignore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.engine.numbers.record import NumberRecord
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.numbers import IncomingNumber

_KEY = "numbers"
# A log without a terminal gets a line each time, so a thousand numbers make about twenty.
_REPORTS = 20
# How often a number may change under our hands before it is left alone.
_ROUNDS = 3


# What to do with a number that is not as it was at the decision any more; None: the account has it no longer.
Redecide = Callable[[NumberPlan, "IncomingNumber | None"], NumberPlan]
# Is given numbers that are in use by now and raises DeployError to leave them as they are.
Agree = Callable[["Sequence[NumberPlan]"], None]


def _take_for_granted(_: Sequence[NumberPlan]) -> None:
    """Ask nobody: giving back asks nothing."""


def bind_numbers(
    platform: Platform,
    planned_numbers: Sequence[NumberPlan],
    record: NumberRecord,
    *,
    redecide: Redecide,
    agree: Agree,
    report: Report = ignore,
    readings: Mapping[str, IncomingNumber] | None = None,
) -> tuple[NumberResult, ...]:
    """Point numbers at us; what each had is recorded before the first is changed. One result a binding, in order.

    A number that was changed since it was decided on is decided on anew with `redecide`, and asked for with `agree` if
    it is in use; without consent it is left as it is. A number that fails does not stop the others, but for
    credentials that are refused: then the rest is not tried.
    `readings` are numbers that were read a moment ago, which saves reading them while they are fresh. Raises if the
    record cannot be written; nothing is changed then.
    """
    _require_decided(planned_numbers)
    remember_numbers(planned_numbers, record)
    return _change(
        platform,
        planned_numbers,
        redecide,
        report,
        ("Binding", "bound"),
        agree=agree,
        readings=readings,
        remember=lambda moved: remember_numbers(moved, record),
    )


def remember_numbers(planned_numbers: Sequence[NumberPlan], record: NumberRecord) -> None:
    """Write down what numbers have, and what they are about to be given.

    Of a number that reaches us already only the new URL is noted: what it had before us stays as it is recorded, and
    without a record there is nothing that could be given back.
    """
    recorded = record.recall() if any(b.is_ours for b in planned_numbers) else {}
    entries = []
    for planned in planned_numbers:
        if planned.owned is None or planned.wanted is None or planned.verdict is not Verdict.CHANGE:
            continue
        earlier = recorded.get(planned.number)
        if planned.is_ours and earlier is None:
            continue
        before = earlier.before if planned.is_ours and earlier else planned.owned.settings
        entries.append(RememberedNumber(planned.owned.sid, planned.number, before, planned.wanted.voice_url))
    if entries:
        record.remember(entries)


def restore_numbers(
    platform: Platform,
    planned_numbers: Sequence[NumberPlan],
    record: NumberRecord,
    *,
    redecide: Redecide,
    report: Report = ignore,
) -> tuple[NumberResult, ...]:
    """Give numbers back what they had; those that have it again are forgotten. One result a binding, in order.

    A number that was changed since it was decided on is decided on anew with `redecide`.
    """
    _require_decided(planned_numbers)
    results = _change(platform, planned_numbers, redecide, report, ("Giving back", "given back"))
    record.forget(
        [result.number for result in results if result.outcome in {NumberOutcome.CHANGED, NumberOutcome.UNCHANGED}]
    )
    return results


def _change(
    platform: Platform,
    planned_numbers: Sequence[NumberPlan],
    redecide: Redecide,
    report: Report,
    words: tuple[str, str],
    *,
    agree: Agree = _take_for_granted,
    readings: Mapping[str, IncomingNumber] | None = None,
    remember: Callable[[Sequence[NumberPlan]], None] = lambda planned_numbers: None,
) -> tuple[NumberResult, ...]:
    """Change what was decided, each number only while it is as it was at the decision.

    What has changed since is decided on anew, asked for if need be, remembered, and read once more.
    """
    results = {b.number: NumberResult(b.number, NumberOutcome.UNCHANGED, b.before, b.before) for b in planned_numbers}
    todo = [planned for planned in planned_numbers if planned.verdict is Verdict.CHANGE]
    if not todo:
        return tuple(results.values())
    doing, done = words
    report(StepStarted(_KEY, f"{doing} {_count(len(todo))}"))
    with open_pool() as pool:
        writer = NumberWriter(platform, pool, partial(_show_progress, report, len(todo)))
        for _ in range(_ROUNDS):
            for result in writer.write(todo, readings):
                results[result.number] = result
            anew = [redecide(planned, now) for planned, now in writer.take_moved()]
            settled, todo = _settle(anew, agree)
            results |= {result.number: result for result in settled}
            readings = None
            if not todo:
                break
            remember(todo)
        results |= {planned.number: _leave(planned) for planned in todo}
    changed = sum(result.outcome is NumberOutcome.CHANGED for result in results.values())
    if changed:
        report(StepDone(_KEY, f"{_count(changed)} {done}"))
    return tuple(results.values())


def _count(count: int) -> str:
    return f"{count} {'number' if count == 1 else 'numbers'}"


def _show_progress(report: Report, total: int, count: int) -> None:
    if total > 1 and (count * _REPORTS) // total != ((count - 1) * _REPORTS) // total:
        report(StepProgress(_KEY, count, total))


def _settle(decided: Sequence[NumberPlan], agree: Agree) -> tuple[list[NumberResult], list[NumberPlan]]:
    """Return results for numbers that stay as somebody has made them, and those that are still to be changed."""
    todo = [planned for planned in decided if planned.verdict is Verdict.CHANGE]
    results = [_leave(b) if b.refusal else _found(b) for b in decided if b not in todo]
    in_use = [planned for planned in todo if planned.consent]
    if not in_use:
        return results, todo
    try:
        agree(in_use)
    except DeployError as problem:
        return [*results, *(_leave(b, problem) for b in in_use)], [b for b in todo if b not in in_use]
    return results, todo


def _found(planned: NumberPlan) -> NumberResult:
    return NumberResult(planned.number, NumberOutcome.UNCHANGED, planned.before, planned.before)


def _leave(planned: NumberPlan, unasked: DeployError | None = None) -> NumberResult:
    """Return that a number is left as somebody has made it meanwhile, and why."""
    now = describe(planned.before) if planned.before else "nothing"
    why = f"it has {now} now"
    if planned.refusal:
        why = planned.refusal.why
    elif unasked:
        why = f"{why}; {unasked.what}"
    problem = DeployError(
        f"{planned.number} was changed by somebody else meanwhile and is left as it is",
        why=why,
        fix="run the command again; `--yes` agrees to take over a number that is in use",
    )
    return NumberResult(planned.number, NumberOutcome.LEFT, planned.before, planned.before, problem)


def _require_decided(planned_numbers: Sequence[NumberPlan]) -> None:
    refused = [planned.number for planned in planned_numbers if planned.verdict is Verdict.REFUSED]
    if refused:
        raise ValueError(f"refused numbers must not be carried out: {', '.join(refused)}")
