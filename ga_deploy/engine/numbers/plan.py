"""Phone numbers: what one points at, what it shall, whether that may be changed, and giving back what it had.

Deciding (`plan_bindings`, `plan_restorations`) is pure; `apply_bindings` writes down what every number had before it
changes the first of them. Facts: Twilio docs, IncomingPhoneNumber resource: a trunk wins over an application, and an
application over the voice URL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.account_record import find_original
from ga_deploy.engine.numbers.settings import NumberTarget, describe, differing, is_real, reaches, show_settings
from ga_deploy.errors import Finding, Refused
from ga_deploy.model.plan import Action, Change, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.model.numbers import IncomingNumber, NumberBinding, NumberSettings, SettingName

# Refused numbers in the last line; before it each is named with its reason.
_SHOWN = 20


class Verdict(StrEnum):
    """What is to happen to a number."""

    CHANGE = "change"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True)
class NumberPlan:
    """The decision about one number. `fields` are those settings of `wanted` that differ from what it has now.

    `consent` is the question that has to be agreed to first; `refusal` says why nothing may be done. `is_ours`: it
    reaches us already, so what it has now is not what it had before us.
    """

    number: str
    verdict: Verdict
    owned: IncomingNumber | None = None
    wanted: NumberSettings | None = None
    fields: tuple[SettingName, ...] = ()
    binding: NumberBinding | None = None
    consent: str = ""
    refusal: Finding | None = None
    is_ours: bool = False

    @property
    def before(self) -> NumberSettings | None:
        """What the number has now, if the account owns it."""
        return self.owned.settings if self.owned else None


def plan_numbers(
    bindings: Iterable[NumberBinding],
    owned: Mapping[str, IncomingNumber],
    target: NumberTarget,
    recorded: Mapping[str, RememberedNumber],
    *,
    force: bool = False,
    known: Collection[str] = (),
    others: Mapping[str, Sequence[RememberedNumber]] | None = None,
) -> tuple[NumberPlan, ...]:
    """Decide about each wish. `owned`: the account's numbers among them; `recorded`: what is remembered of them.

    `force` takes a number off its trunk or application. `known` are further numbers of the account, for hints;
    `others` is what other environments of ours hold.
    """
    held = others or {}
    return tuple(
        _plan_number(binding, owned, target, recorded.get(binding.number), force, known, held.get(binding.number, ()))
        for binding in bindings
    )


def _plan_number(
    binding: NumberBinding,
    owned: Mapping[str, IncomingNumber],
    target: NumberTarget,
    recorded: RememberedNumber | None,
    force: bool,
    known: Collection[str],
    others: Sequence[RememberedNumber],
) -> NumberPlan:
    number = owned.get(binding.number)
    if number is None:
        refusal = replace(_not_owned(binding.number, {*owned, *known}), at=binding.at)
        return NumberPlan(binding.number, Verdict.REFUSED, binding=binding, refusal=refusal)
    found = _refuse(number, force=force)
    if found is not None:
        refusal = replace(found, at=binding.at)
        return NumberPlan(binding.number, Verdict.REFUSED, owned=number, binding=binding, refusal=refusal)
    url = target.url_for(binding)
    now = number.settings
    is_ours = reaches(now, target, recorded)
    remembered = recorded.before if recorded is not None and is_ours else None
    # Over the URL of another environment of ours the number's own fallback is what it had before that one.
    foreign = None if is_ours else find_original(now, others) or now
    wanted = _choose_fallback(binding, now, foreign, remembered, target)
    wanted = replace(wanted, voice_url=url, voice_method="POST", voice_application_sid="", trunk_sid="")
    fields = differing(now, wanted)
    in_use = not is_ours and is_real(now.voice_url) and not now.trunk_sid and not now.voice_application_sid
    return NumberPlan(
        binding.number,
        Verdict.CHANGE if fields else Verdict.UNCHANGED,
        owned=number,
        wanted=wanted,
        fields=fields,
        binding=binding,
        consent=f"{binding.number} is in use: it points at {now.voice_url}" if in_use else "",
        is_ours=is_ours,
    )


def plan_restorations(
    numbers: Sequence[str],
    owned: Mapping[str, IncomingNumber],
    target: NumberTarget | None,
    recorded: Mapping[str, RememberedNumber],
    *,
    force: bool = False,
) -> tuple[NumberPlan, ...]:
    """Decide how each number gets back exactly what it had. `target` None: nothing of ours is live any more.

    Refused without a record, and for a number that was pointed elsewhere since, unless `force`.
    """
    return tuple(_plan_restoration(number, owned, target, recorded.get(number), force) for number in numbers)


def _plan_restoration(
    number: str,
    owned: Mapping[str, IncomingNumber],
    target: NumberTarget | None,
    recorded: RememberedNumber | None,
    force: bool,
) -> NumberPlan:
    found = owned.get(number)
    if recorded is None:
        refusal = Finding(
            f"nothing is recorded for {number}",
            why="what it had before can only be given back if ga-deploy bound it and wrote that down",
            fix="point the number where you want it in the Twilio Console",
        )
        return NumberPlan(number, Verdict.REFUSED, owned=found, refusal=refusal)
    if found is None or found.sid != recorded.sid:
        return NumberPlan(number, Verdict.REFUSED, owned=found, refusal=_not_owned(number, owned))
    fields = differing(found.settings, recorded.before)
    if fields and not force and not reaches(found.settings, target, recorded):
        refusal = Finding(
            f"{number} was pointed elsewhere since",
            why=f"it now has {describe(found.settings)}; giving back what it had before would undo that",
            fix="leave it as it is, or agree with `--force`",
        )
        return NumberPlan(number, Verdict.REFUSED, owned=found, refusal=refusal)
    return NumberPlan(
        number,
        Verdict.CHANGE if fields else Verdict.UNCHANGED,
        owned=found,
        wanted=recorded.before,
        fields=fields,
        is_ours=True,
    )


def refuse(planned_numbers: Sequence[NumberPlan]) -> None:
    """Raise Refused if one of the bindings is refused, with all the refusals and what became of each number."""
    refusals = [planned.refusal for planned in planned_numbers if planned.refusal is not None]
    if not refusals:
        return
    told = {"numbers": [_tell(planned) for planned in planned_numbers]}
    first = refusals[0]
    if len(planned_numbers) == 1:
        raise Refused(first.what, (first,), why=first.why, fix=first.fix, told=told)
    refused = [planned.number for planned in planned_numbers if planned.refusal is not None]
    more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    raise Refused(
        f"{len(refusals)} of {len(planned_numbers)} numbers are refused, so none was changed",
        tuple(refusals),
        why=f"{', '.join(refused[:_SHOWN])}{more}: each with its reason",
        fix="mend what is said of them, or leave them out, then run it again",
        told=told,
    )


def _tell(planned: NumberPlan) -> dict[str, object]:
    shown = show_settings(planned.before) if planned.before else None
    refusal = planned.refusal
    return {
        "number": planned.number,
        "outcome": "refused" if refusal else "not_tried",
        "before": shown,
        "after": shown,
        "problem": f"{refusal.what}: {refusal.why}" if refusal else None,
        "at": str(planned.binding.at) if planned.binding and planned.binding.at else None,
    }


def to_changes(planned_numbers: Iterable[NumberPlan]) -> tuple[Change, ...]:
    """Return decisions as changes of a plan, one a number; a refused one must have been raised before."""
    return tuple(
        Change(
            address=f"number:{planned.number}",
            action=Action.UPDATE if planned.verdict is Verdict.CHANGE else Action.UNCHANGED,
            reason=Reason.TARGET_DIFFERS if planned.verdict is Verdict.CHANGE else Reason.SAME,
            before=show_settings(planned.before, planned.fields) if planned.before else None,
            after=show_settings(planned.wanted, planned.fields) if planned.wanted else None,
            detail=describe(planned.wanted) if planned.wanted else "",
            consent=planned.consent,
        )
        for planned in planned_numbers
    )


def _choose_fallback(
    binding: NumberBinding,
    now: NumberSettings,
    foreign: NumberSettings | None,
    remembered: NumberSettings | None,
    target: NumberTarget,
) -> NumberSettings:
    """Return `now` with its fallback, the first that there is of four.

    The one that the config names for the number; the URL that the number had before us; the fallback that it had; the
    static document of the config. What it had before us is what it has now (`foreign`) or, once it is ours, what is
    remembered.
    """
    if binding.fallback_url:
        return replace(now, voice_fallback_url=binding.fallback_url, voice_fallback_method=binding.fallback_method)
    ours = replace(now, voice_fallback_url=target.fallback_url or "", voice_fallback_method="GET")
    nothing = replace(now, voice_fallback_url="", voice_fallback_method="POST")
    earlier = foreign or remembered
    if earlier is None:
        if is_real(now.voice_fallback_url) and not target.is_our_fallback(now.voice_fallback_url):
            return now
        if target.fallback_url:
            return ours
        return nothing if target.is_our_fallback(now.voice_fallback_url) else now
    in_effect = not earlier.trunk_sid and not earlier.voice_application_sid
    if in_effect and is_real(earlier.voice_url):
        return replace(now, voice_fallback_url=earlier.voice_url, voice_fallback_method=earlier.voice_method)
    is_dead = target.is_our_fallback(earlier.voice_fallback_url)  # an earlier document of ours, which may be gone
    if target.fallback_url and (is_dead or not is_real(earlier.voice_fallback_url)):
        return ours
    if is_dead:
        return nothing
    return replace(
        now,
        voice_fallback_url=earlier.voice_fallback_url,
        voice_fallback_method=earlier.voice_fallback_method,
    )


def _refuse(number: IncomingNumber, *, force: bool) -> Finding | None:
    if not number.can_voice:
        return Finding(
            f"{number.number} cannot take calls",
            why="Twilio says that it has no voice capability",
            fix="choose a number with the capability `voice`",
        )
    if number.receives == "fax":
        return Finding(
            f"{number.number} receives faxes, not calls",
            why="its VoiceReceiveMode is `fax`",
            fix="switch it to voice in the Twilio Console, or choose another number",
        )
    if force:
        return None
    if number.settings.trunk_sid or number.settings.voice_application_sid:
        return Finding(
            f"{number.number} is on {describe(number.settings)}",
            why="a trunk or an application wins over any URL; taking the number off it changes who answers its calls",
            fix="if that is what you want, run `ga-deploy bind-number` with `--force`",
        )
    return None


def _not_owned(number: str, known: Collection[str]) -> Finding:
    near = get_close_matches(number, sorted(known), n=3, cutoff=0.75)
    hint = f"; near to it are {', '.join(near)}" if near else ""
    return Finding(
        f"{number} is not a number of this account",
        why=f"Twilio lists no such number{hint}",
        fix="correct it, or use the account (or subaccount) that owns it",
    )
