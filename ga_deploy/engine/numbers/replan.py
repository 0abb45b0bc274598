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
    """Plan a number again that changed since `planned`.

    If it is in use it needs consent, unless its calls still go to the same place. `now` is the number as it is (None:
    the account no longer owns it).
    """
    if planned.binding is None:
        raise ValueError(f"no binding: {planned.number}")
    owned = {} if now is None else {planned.number: now}
    [anew] = plan_numbers([planned.binding], owned, target, recorded, force=force, others=others)
    if now is not None and planned.owned is not None and reached(now.settings) == reached(planned.owned.settings):
        # The user has confirmed it already, or it needed no confirmation.
        return replace(anew, consent="")
    if now is not None and anew.refusal is None and (now.settings.trunk_sid or now.settings.voice_application_sid):
        # `--force` was for the earlier trunk or application, not for one that somebody set since.
        return replace(anew, consent=f"{planned.number} is in use: it is on {describe(now.settings)}")
    return anew


def restore_anew(
    planned: NumberPlan,
    now: IncomingNumber | None,
    *,
    target: NumberTarget | None,
    recorded: Mapping[str, RememberedNumber],
) -> NumberPlan:
    """Plan again how to give back a number that changed since `planned`; it stays if somebody else uses it now.

    An earlier `force` does not apply: it was for the earlier settings.
    """
    [anew] = plan_restorations([planned.number], {} if now is None else {planned.number: now}, target, recorded)
    return anew
