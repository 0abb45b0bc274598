"""Carrying out what `bindings` decided: remember, read again, change, and say how each number ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.plan import Binding, Verdict
from ga_deploy.engine.numbers.record import RememberedNumber
from ga_deploy.engine.numbers.settings import describe
from ga_deploy.engine.numbers.writer import NumberResult, NumberWriter, Outcome
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
Redecide = Callable[[Binding, "IncomingNumber | None"], Binding]
# Is given numbers that are in use by now and raises DeployError to leave them as they are.
Agree = Callable[["Sequence[Binding]"], None]


def _take_for_granted(_: Sequence[Binding]) -> None:
    """Ask nobody: giving back asks nothing."""


def bind_numbers(
    platform: Platform,
    bindings: Sequence[Binding],
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
    _require_decided(bindings)
    remember_numbers(bindings, record)
    return _change(
        platform,
        bindings,
        redecide,
        report,
        ("Binding", "bound"),
        agree=agree,
        readings=readings,
        remember=lambda moved: remember_numbers(moved, record),
    )


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
    redecide: Redecide,
    report: Report = ignore,
) -> tuple[NumberResult, ...]:
    """Give numbers back what they had; those that have it again are forgotten. One result a binding, in order.

    A number that was changed since it was decided on is decided on anew with `redecide`.
    """
    _require_decided(bindings)
    results = _change(platform, bindings, redecide, report, ("Giving back", "given back"))
    record.forget([result.number for result in results if result.outcome in {Outcome.CHANGED, Outcome.UNCHANGED}])
    return results


def _change(
    platform: Platform,
    bindings: Sequence[Binding],
    redecide: Redecide,
    report: Report,
    words: tuple[str, str],
    *,
    agree: Agree = _take_for_granted,
    readings: Mapping[str, IncomingNumber] | None = None,
    remember: Callable[[Sequence[Binding]], None] = lambda bindings: None,
) -> tuple[NumberResult, ...]:
    """Change what was decided, each number only while it is as it was at the decision.

    What has changed since is decided on anew, asked for if need be, remembered, and read once more.
    """
    results = {b.number: NumberResult(b.number, Outcome.UNCHANGED, b.before, b.before) for b in bindings}
    todo = [binding for binding in bindings if binding.verdict is Verdict.CHANGE]
    if not todo:
        return tuple(results.values())
    doing, done = words
    report(StepStarted(_KEY, f"{doing} {_count(len(todo))}"))
    with open_pool() as pool:
        writer = NumberWriter(platform, pool, partial(_show_progress, report, len(todo)))
        for _ in range(_ROUNDS):
            for result in writer.write(todo, readings):
                results[result.number] = result
            anew = [redecide(binding, now) for binding, now in writer.take_moved()]
            settled, todo = _settle(anew, agree)
            results |= {result.number: result for result in settled}
            readings = None
            if not todo:
                break
            remember(todo)
        results |= {binding.number: _leave(binding) for binding in todo}
    changed = sum(result.outcome is Outcome.CHANGED for result in results.values())
    if changed:
        report(StepDone(_KEY, f"{_count(changed)} {done}"))
    return tuple(results.values())


def _count(count: int) -> str:
    return f"{count} {'number' if count == 1 else 'numbers'}"


def _show_progress(report: Report, total: int, count: int) -> None:
    if total > 1 and (count * _REPORTS) // total != ((count - 1) * _REPORTS) // total:
        report(StepProgress(_KEY, count, total))


def _settle(decided: Sequence[Binding], agree: Agree) -> tuple[list[NumberResult], list[Binding]]:
    """Return results for numbers that stay as somebody has made them, and those that are still to be changed."""
    todo = [binding for binding in decided if binding.verdict is Verdict.CHANGE]
    results = [_leave(b) if b.refusal else _found(b) for b in decided if b not in todo]
    in_use = [binding for binding in todo if binding.consent]
    if not in_use:
        return results, todo
    try:
        agree(in_use)
    except DeployError as problem:
        return [*results, *(_leave(b, problem) for b in in_use)], [b for b in todo if b not in in_use]
    return results, todo


def _found(binding: Binding) -> NumberResult:
    return NumberResult(binding.number, Outcome.UNCHANGED, binding.before, binding.before)


def _leave(binding: Binding, unasked: DeployError | None = None) -> NumberResult:
    """Return that a number is left as somebody has made it meanwhile, and why."""
    now = describe(binding.before) if binding.before else "nothing"
    why = f"it has {now} now"
    if binding.refusal:
        why = binding.refusal.why
    elif unasked:
        why = f"{why}; {unasked.what}"
    problem = DeployError(
        f"{binding.number} was changed by somebody else meanwhile and is left as it is",
        why=why,
        fix="run the command again; `--yes` agrees to take over a number that is in use",
    )
    return NumberResult(binding.number, Outcome.LEFT, binding.before, binding.before, problem)


def _require_decided(bindings: Sequence[Binding]) -> None:
    refused = [binding.number for binding in bindings if binding.verdict is Verdict.REFUSED]
    if refused:
        raise ValueError(f"refused numbers must not be carried out: {', '.join(refused)}")
