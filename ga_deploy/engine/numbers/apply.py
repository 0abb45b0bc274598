"""Applying number plans: record the settings, read again, change, and return a result for each number."""

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
# A log without a terminal gets one line per report: about twenty for a thousand numbers.
_REPORTS = 20
# How often a number may change in the meantime before it is left alone.
_ROUNDS = 3


# Plans a number again that changed since its plan; None: the account no longer owns it.
Redecide = Callable[[NumberPlan, "IncomingNumber | None"], NumberPlan]
# Is called with numbers that are in use now; raises DeployError to leave them unchanged.
Agree = Callable[["Sequence[NumberPlan]"], None]


def _agree_always(_: Sequence[NumberPlan]) -> None:
    """Agree: giving settings back needs no confirmation."""


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
    """Point numbers at us. All settings are recorded before the first change. One result per plan, in order.

    A number that changed since its plan is planned again with `redecide`. If it is in use now, `agree` is called;
    without confirmation it stays as it is. A failed number does not stop the others, unless the credentials are
    refused: then the rest is not tried. `readings` are numbers that were read just now; they are used while they are
    fresh. If the record cannot be written, this raises and changes nothing.
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
    """Record the current settings of the numbers and their new URLs.

    For a number that points at us already, only the new URL is recorded: its original settings stay in the record. If
    it has no record, nothing is written, since its original settings are unknown.
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
    """Give numbers back their recorded settings, then forget them. One result per plan, in order.

    A number that changed since its plan is planned again with `redecide`.
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
    agree: Agree = _agree_always,
    readings: Mapping[str, IncomingNumber] | None = None,
    remember: Callable[[Sequence[NumberPlan]], None] = lambda planned_numbers: None,
) -> tuple[NumberResult, ...]:
    """Change each number as planned, but only if it has not changed since.

    A number that changed is planned again, confirmed if necessary, recorded, and read once more.
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
    """Return results for numbers that stay as somebody changed them, and the numbers that still have to change."""
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
    """Return the result of a number that stays as somebody changed it, with the reason."""
    now = describe(planned.before) if planned.before else "nothing"
    why = f"it has {now} now"
    if planned.refusal:
        why = planned.refusal.why
    elif unasked:
        why = f"{why}; {unasked.what}"
    problem = DeployError(
        f"{planned.number} was changed by somebody else in the meantime and stays as it is",
        why=why,
        fix="run the command again; `--yes` confirms to take over a number that is in use",
    )
    return NumberResult(planned.number, NumberOutcome.LEFT, planned.before, planned.before, problem)


def _require_decided(planned_numbers: Sequence[NumberPlan]) -> None:
    refused = [planned.number for planned in planned_numbers if planned.verdict is Verdict.REFUSED]
    if refused:
        raise ValueError(f"refused numbers must not be changed: {', '.join(refused)}")
