"""Plans of phone numbers: what one points at, what it will point at, whether it may be changed, and restoring it.

Planning (`plan_numbers`, `plan_restorations`) is pure; `apply` writes. Source: Twilio docs, IncomingPhoneNumber
resource: a trunk wins over an application, and an application wins over the voice URL.
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

# How many refused numbers the summary names; each one is listed before it with its reason.
_SHOWN = 20


class Verdict(StrEnum):
    """What happens to a number."""

    CHANGE = "change"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True)
class NumberPlan:
    """The plan of one number. `fields` are the settings of `wanted` that differ from the current ones.

    `consent` is the question that the user must confirm first; `refusal` says why the number may not be changed.
    `is_ours`: the number points at us already, so its current settings are not its original ones.
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
        """The current settings of the number, if the account owns it."""
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
    """Plan each binding. `owned`: the account's numbers among them; `recorded`: their recorded settings.

    `force` takes a number off its trunk or application. `known` are further numbers of the account, for hints;
    `others` are the entries of other ga-deploy environments.
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
    # If the number points at another environment of ours, its original settings are those before that one.
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
    """Plan how each number gets back exactly its recorded settings. `target` None: nothing of ours is live any more.

    A number is refused if it has no record, or if somebody changed it since, unless `force`.
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
            why="ga-deploy can only give back settings that it recorded when it bound the number",
            fix="point the number where you want it in the Twilio Console",
        )
        return NumberPlan(number, Verdict.REFUSED, owned=found, refusal=refusal)
    if found is None or found.sid != recorded.sid:
        return NumberPlan(number, Verdict.REFUSED, owned=found, refusal=_not_owned(number, owned))
    fields = differing(found.settings, recorded.before)
    if fields and not force and not reaches(found.settings, target, recorded):
        refusal = Finding(
            f"{number} was changed after ga-deploy bound it",
            why=f"it now has {describe(found.settings)}; giving back its earlier settings would undo that",
            fix="leave it as it is, or pass `--force`",
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
    """Raise Refused if one of the numbers is refused, with all refusals and the result of each number."""
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
        fix="fix these reasons or leave those numbers out, then run the command again",
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
    """Return the number plans as changes of a plan, one per number. None of them may be refused."""
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
    """Return `now` with a fallback: the first of these four that exists.

    The fallback in the config; the URL that the number had before us; the fallback that it had before us; the config's
    static document. The settings before us are the current ones (`foreign`) or, if the number is ours, the recorded
    ones.
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
    is_dead = target.is_our_fallback(earlier.voice_fallback_url)  # our earlier document, which may not exist any more
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
            why="Twilio lists no voice capability for it",
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
