"""`bind-number` and `unbind-number`: bind numbers, and give back the settings that they had before.

Nothing is written unless every number may be changed. Under the environment's lock everything is read again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.apply.check import ask_patiently, check_flow
from ga_deploy.engine.numbers.apply import bind_numbers, restore_numbers
from ga_deploy.engine.numbers.plan import (
    NumberPlan,
    Verdict,
    plan_numbers,
    plan_restorations,
    refuse,
)
from ga_deploy.engine.numbers.replan import plan_anew, restore_anew
from ga_deploy.engine.numbers.writer import NumberOutcome, NumberResult
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.plan.assets import is_served
from ga_deploy.engine.session import hold
from ga_deploy.engine.snapshot import Scope, take_snapshot
from ga_deploy.errors import DeployError, NotFound
from ga_deploy.events import StepDone, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ga_deploy.engine.numbers.apply import Redecide
    from ga_deploy.engine.numbers.settings import NumberTarget
    from ga_deploy.engine.session import Session
    from ga_deploy.engine.snapshot import Snapshot
    from ga_deploy.model.bundle import Visibility
    from ga_deploy.model.numbers import NumberBinding


def bind(
    session: Session,
    bindings: Sequence[NumberBinding],
    *,
    force: bool,
    agree: Callable[[Sequence[NumberPlan]], None],
) -> tuple[NumberResult, ...]:
    """Point numbers at what is live. Returns one result for each binding, in order.

    `agree` is called with the plans of numbers that are in use elsewhere and raises to stop. Raises DeployError, and
    changes nothing, if nothing is live, if it does not answer, or if a number may not be bound.
    """
    first = _look(session, [binding.number for binding in bindings])
    target = _require_target(session, first, wants_flow=any(binding.to == "flow" for binding in bindings))
    _require_answer(session, first, target)
    decided = _plan_numbers(session, first, bindings, target, force=force)
    _ask(decided, agree)
    if not any(planned.verdict is Verdict.CHANGE for planned in decided):
        return tuple(NumberResult(b.number, NumberOutcome.UNCHANGED, b.before, b.before) for b in decided)
    with hold(session):
        agreed = {planned.consent for planned in decided}
        fresh = _look(session, [binding.number for binding in bindings])
        moved = _require_target(session, fresh, wants_flow=any(binding.to == "flow" for binding in bindings))
        if moved != target:
            _require_answer(session, fresh, moved)
        decided = _plan_numbers(session, fresh, bindings, moved, force=force)
        _ask([planned for planned in decided if planned.consent not in agreed], agree)
        return bind_numbers(
            session.platform,
            decided,
            session.numbers,
            redecide=lambda planned, now: plan_anew(
                planned, now, moved, fresh.recorded, force=force, others=fresh.others
            ),
            agree=agree,
            report=session.report,
        )


@dataclass(frozen=True)
class Restored:
    """The result of giving numbers back: one for each number that was tried, and the numbers that were left alone."""

    results: tuple[NumberResult, ...]
    left: tuple[NumberPlan, ...]


def unbind(session: Session, numbers: Sequence[str] | None, *, force: bool) -> Restored:
    """Give numbers (None: all recorded ones) back exactly the settings that they had.

    Numbers that somebody changed since are left alone (unless `force`), and so are those that the account no longer
    owns. Raises DeployError, and changes nothing, if one of `numbers` is not recorded.
    """
    decided, _ = _decide_restorations(session, numbers, force=force)
    if not any(planned.verdict is not Verdict.REFUSED for planned in decided):
        return Restored((), decided)
    with hold(session):
        decided, redecide = _decide_restorations(session, numbers, force=force)
        results = restore_numbers(
            session.platform,
            [planned for planned in decided if planned.verdict is not Verdict.REFUSED],
            session.numbers,
            redecide=redecide,
            report=session.report,
        )
    return Restored(results, tuple(planned for planned in decided if planned.verdict is Verdict.REFUSED))


def _look(session: Session, numbers: Sequence[str] | None) -> Snapshot:
    with open_pool() as pool:
        scope = Scope(numbers="known" if numbers is None else tuple(numbers), contents=False)
        return take_snapshot(session, pool, scope)


def _require_target(session: Session, snapshot: Snapshot, *, wants_flow: bool) -> NumberTarget:
    """Return where numbers may point; raises `DeployError` if nothing is live."""
    desired, environment = session.desired, snapshot.observed.environment
    target = snapshot.find_number_target(desired.engage_path)
    name = f"environment `{desired.environment}` of service `{desired.service_name}`"
    if environment is None or environment.build_sid is None or target is None:
        raise DeployError(
            "there is nothing to point a number at",
            why=f"nothing is deployed in {name}" if environment else f"{name} does not exist",
            fix="run `ga-deploy up` first",
        )
    if wants_flow and snapshot.flow is None:
        raise DeployError(
            "there is no flow to point a number at",
            why="the account has no Studio flow of this config",
            fix="run `ga-deploy up` with `flow.enabled: true`, or bind with `--to engage`",
        )
    if snapshot.flow:
        check_flow(session.platform, snapshot.flow)
    live = [file.path for file in desired.assets if is_served(session.platform, target.domain_name, file)]
    return replace(target, fallback_path=live[0]) if live else target


def _require_answer(session: Session, snapshot: Snapshot, target: NumberTarget) -> None:
    """Return if the function answers, else raise `DeployError`: no number may point at a dead function."""
    url = f"https://{target.domain_name}{target.engage_path}"
    session.report(StepStarted("answers", f"Checking that {url} answers"))
    why = ask_patiently(session.platform, url, _find_visibility(session, snapshot, target.engage_path))
    if why:
        raise DeployError(
            f"{url} does not answer",
            why=f"it gave {why}; calls to a number that points there would fail",
            fix="run `ga-deploy up`, which deploys what is missing; `ga-deploy status` shows what is live",
        )
    session.report(StepDone("answers", f"{url} answers"))


def _find_visibility(session: Session, snapshot: Snapshot, path: str) -> Visibility:
    """Return the visibility that a function has in the live build: the config may have changed since.

    `protected`, as for webhooks, if the build has no such function or Twilio does not show it any more.
    """
    service, environment = snapshot.observed.service, snapshot.observed.environment
    if service is None or environment is None or environment.build_sid is None:
        return "protected"
    try:
        build = session.platform.get_build(service.sid, environment.build_sid)
    except NotFound:
        return "protected"
    return next((version.visibility for version in build.function_versions if version.path == path), "protected")


def _plan_numbers(
    session: Session, snapshot: Snapshot, bindings: Sequence[NumberBinding], target: NumberTarget, *, force: bool
) -> tuple[NumberPlan, ...]:
    owned, recorded = snapshot.numbers, snapshot.recorded
    decided = plan_numbers(bindings, owned, target, recorded, force=force, others=snapshot.others)
    if any(planned.owned is None for planned in decided):
        # Only for the hint: which numbers of the account look like the missing one.
        known = list(session.platform.list_numbers(None))
        decided = plan_numbers(bindings, owned, target, recorded, force=force, known=known, others=snapshot.others)
    refuse(decided)
    return decided


def _decide_restorations(
    session: Session, numbers: Sequence[str] | None, *, force: bool
) -> tuple[tuple[NumberPlan, ...], Redecide]:
    snapshot = _look(session, numbers)
    recorded = snapshot.recorded
    asked = sorted(recorded) if numbers is None else list(numbers)
    target = snapshot.find_number_target(session.desired.engage_path)
    decided = plan_restorations(asked, snapshot.numbers, target, recorded, force=force)
    refuse([planned for planned in decided if planned.number not in recorded])
    return decided, partial(restore_anew, target=target, recorded=recorded)


def _ask(planned_numbers: Sequence[NumberPlan], agree: Callable[[Sequence[NumberPlan]], None]) -> None:
    in_use = [planned for planned in planned_numbers if planned.consent]
    if in_use:
        agree(in_use)
