"""Deciding again about a number that somebody has changed between the decision and the write. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.plan import NumberPlan, plan_numbers, plan_restorations
from ga_deploy.engine.numbers.settings import describe, reached

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.engine.numbers.settings import NumberTarget
    from ga_deploy.model.numbers import IncomingNumber


def plan_anew(
    planned: NumberPlan,
    now: IncomingNumber | None,
    target: NumberTarget,
    recorded: Mapping[str, RememberedNumber],
    *,
    force: bool = False,
    others: Mapping[str, Sequence[RememberedNumber]] | None = None,
) -> NumberPlan:
    """Decide again about a number that was changed since `binding`.

    If it is in use it needs consent, unless calls to it go where they went then. `now` is what the number is (None: the
    account has it no longer).
    """
    if planned.binding is None:
        raise ValueError(f"no binding: {planned.number}")
    owned = {} if now is None else {planned.number: now}
    [anew] = plan_numbers([planned.binding], owned, target, recorded, force=force, others=others)
    if now is not None and planned.owned is not None and reached(now.settings) == reached(planned.owned.settings):
        # Consent was given already, or not needed.
        return replace(anew, consent="")
    if now is not None and anew.refusal is None and (now.settings.trunk_sid or now.settings.voice_application_sid):
        # `--force` was for the trunk or application that was there, not for one that somebody has put there since.
        return replace(anew, consent=f"{planned.number} is in use: it is on {describe(now.settings)}")
    return anew


def restore_anew(
    planned: NumberPlan,
    now: IncomingNumber | None,
    *,
    target: NumberTarget | None,
    recorded: Mapping[str, RememberedNumber],
) -> NumberPlan:
    """Decide about giving a number back again that was changed since `binding`; what is somebody's by now is left.

    `force`, if it was given, was for what the number had then.
    """
    [anew] = plan_restorations([planned.number], {} if now is None else {planned.number: now}, target, recorded)
    return anew
