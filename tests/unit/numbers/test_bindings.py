"""Deciding about numbers: what may be changed, to what, and what it had before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.engine.numbers.plan import (
    NumberPlan,
    Verdict,
    plan_numbers,
    plan_restorations,
    refuse,
    to_changes,
)
from ga_deploy.engine.numbers.record import RememberedNumber
from ga_deploy.engine.numbers.settings import NumberTarget, describe, differing
from ga_deploy.errors import Place, Refused
from ga_deploy.model.numbers import IncomingNumber, NumberBinding, NumberSettings
from ga_deploy.model.plan import Action
from ga_deploy.model.sids import NumberSid

NUMBER = "+15550100000"
SID = NumberSid("PN" + "1" * 32)
TARGET = NumberTarget("generativeagent-1234.twil.io", "/engage", "http://webhooks.twilio.com/v1/Accounts/AC1/Flows/FW1")
OURS = "https://generativeagent-1234.twil.io/engage"
THEIRS = "https://ivr.example.com/voice"
DEMO = "https://demo.twilio.com/welcome/voice/"
TRUNK, APPLICATION = "TK" + "2" * 32, "AP" + "3" * 32


def owned(settings: NumberSettings, **more: object) -> IncomingNumber:
    fields = {"friendly_name": "", "can_voice": True, "receives": "voice", **more}
    return IncomingNumber(SID, NUMBER, settings=settings, **fields)  # type: ignore[arg-type]


def bind(
    settings: NumberSettings,
    *,
    binding: NumberBinding | None = None,
    before: NumberSettings | None = None,
    bound_url: str = OURS,
    force: bool = False,
    **more: object,
) -> NumberPlan:
    recorded = {} if before is None else {NUMBER: RememberedNumber(SID, NUMBER, before, bound_url)}
    numbers = {NUMBER: owned(settings, **more)}
    [planned] = plan_numbers([binding or NumberBinding(NUMBER)], numbers, TARGET, recorded, force=force)
    return planned


def test_a_fresh_number_gets_our_url_by_post() -> None:
    planned = bind(NumberSettings(voice_method="GET"))
    assert planned.verdict is Verdict.CHANGE
    assert planned.fields == ("voice_url", "voice_method")
    assert planned.wanted == NumberSettings(voice_url=OURS)
    assert not planned.consent


@pytest.mark.parametrize(
    ("binding", "url"),
    [
        (NumberBinding(NUMBER), OURS),
        (NumberBinding(NUMBER, profile="es"), f"{OURS}?profile=es"),
        (NumberBinding(NUMBER, profile="día & noche"), f"{OURS}?profile=d%C3%ADa%20%26%20noche"),
        (NumberBinding(NUMBER, to="flow"), "https://webhooks.twilio.com/v1/Accounts/AC1/Flows/FW1"),
    ],
)
def test_the_url_of_a_wish(binding: NumberBinding, url: str) -> None:
    planned = bind(NumberSettings(), binding=binding)
    assert planned.wanted is not None
    assert planned.wanted.voice_url == url


@pytest.mark.parametrize("url", ["http://[bad", "https://[::1", "//x", "not a url", "https://ivr.example.com:port/"])
def test_a_url_that_is_none_is_somebodys_all_the_same(url: str) -> None:
    planned = bind(NumberSettings(voice_url=url))
    assert url in planned.consent
    assert planned.wanted is not None
    assert planned.wanted.voice_fallback_url == url


def test_nothing_is_done_where_nothing_differs() -> None:
    assert bind(NumberSettings(voice_url=OURS)).verdict is Verdict.UNCHANGED


@pytest.mark.parametrize("url", ["", DEMO, "http://demo.twilio.com/docs/voice.xml"])
def test_what_nobody_misses_needs_no_consent(url: str) -> None:
    assert not bind(NumberSettings(voice_url=url)).consent


@pytest.mark.parametrize(
    "url",
    [
        THEIRS,
        "https://generativeagent-1234.twil.io/ivr",
        "https://generativeagent-1234-stage.twil.io/engage",
        "https://evil.example/?generativeagent-1234.twil.io/engage",
    ],
)
def test_a_number_in_use_elsewhere_needs_consent(url: str) -> None:
    planned = bind(NumberSettings(voice_url=url))
    assert url in planned.consent
    assert not planned.is_ours


@pytest.mark.parametrize("url", [OURS, f"{OURS}?profile=es", "https://webhooks.twilio.com/v1/Accounts/AC1/Flows/FW1"])
def test_a_number_of_ours_needs_none(url: str) -> None:
    planned = bind(NumberSettings(voice_url=url), binding=NumberBinding(NUMBER, profile="fr"))
    assert planned.is_ours
    assert not planned.consent


def test_a_url_that_we_once_set_is_ours_after_a_move() -> None:
    """The engage path was renamed since; only the record knows the old one."""
    old = "https://generativeagent-1234.twil.io/old-engage"
    planned = bind(NumberSettings(voice_url=old), before=NumberSettings(), bound_url=old)
    assert planned.is_ours
    assert not planned.consent


class TestFallback:
    def test_by_default_what_it_had_before(self) -> None:
        wanted = bind(NumberSettings(voice_url=THEIRS, voice_method="GET")).wanted
        assert wanted is not None
        assert (wanted.voice_fallback_url, wanted.voice_fallback_method) == (THEIRS, "GET")

    def test_and_it_stays_so_the_second_time(self) -> None:
        before = NumberSettings(voice_url=THEIRS, voice_method="GET")
        now = NumberSettings(voice_url=OURS, voice_fallback_url=THEIRS, voice_fallback_method="GET")
        assert bind(now, before=before).verdict is Verdict.UNCHANGED
        assert bind(now).verdict is Verdict.UNCHANGED, "without a record, too"

    def test_a_demo_is_no_fallback(self) -> None:
        wanted = bind(NumberSettings(voice_url=DEMO, voice_fallback_url="https://f.example/")).wanted
        assert wanted is not None
        assert wanted.voice_fallback_url == "https://f.example/"

    def test_the_config_decides_and_undecides(self) -> None:
        binding = NumberBinding(NUMBER, fallback_url="https://mine.example/", fallback_method="GET")
        wanted = bind(NumberSettings(voice_url=THEIRS), binding=binding).wanted
        assert wanted is not None
        assert (wanted.voice_fallback_url, wanted.voice_fallback_method) == ("https://mine.example/", "GET")
        now = replace(wanted, voice_url=OURS)
        later = bind(now, before=NumberSettings(voice_url=THEIRS)).wanted
        assert later is not None
        assert later.voice_fallback_url == THEIRS

    def test_a_url_that_a_trunk_overrode_is_none(self) -> None:
        wanted = bind(NumberSettings(voice_url=THEIRS, trunk_sid=TRUNK), force=True).wanted
        assert wanted == NumberSettings(voice_url=OURS)


class TestRefusals:
    def test_a_number_of_somebody_else_names_its_neighbours(self) -> None:
        bindings = [NumberBinding("+15550100009")]
        [planned] = plan_numbers(bindings, {}, TARGET, {}, known=["+15550100000", "+442071838750"])
        assert planned.verdict is Verdict.REFUSED
        assert planned.refusal is not None
        assert "+15550100000" in planned.refusal.why
        assert "+442071838750" not in planned.refusal.why

    @pytest.mark.parametrize(
        ("more", "why"),
        [({"can_voice": False}, "no voice capability"), ({"receives": "fax"}, "VoiceReceiveMode")],
    )
    def test_what_cannot_take_calls_stays(self, more: dict[str, Any], why: str) -> None:
        for force in (False, True):
            planned = bind(NumberSettings(), force=force, **more)
            assert planned.refusal is not None
            assert why in planned.refusal.why

    @pytest.mark.parametrize("field", ["trunk_sid", "voice_application_sid"])
    def test_a_trunk_or_an_application_needs_force(self, field: str) -> None:
        settings = replace(NumberSettings(voice_url=OURS), **{field: TRUNK if field == "trunk_sid" else APPLICATION})
        refused = bind(settings)
        assert refused.refusal is not None
        assert "--force" in refused.refusal.fix
        forced = bind(settings, force=True)
        assert forced.fields == (field,)
        assert not forced.is_ours, "it did not reach us: what it had is worth recording"

    def test_all_are_told_at_once(self) -> None:
        planned_numbers = plan_numbers([NumberBinding(f"+1555010{n:04d}") for n in range(25)], {}, TARGET, {})
        with pytest.raises(Refused, match="25 of 25 numbers") as caught:
            refuse(planned_numbers)
        assert [finding.what.split()[0] for finding in caught.value.findings] == [one.number for one in planned_numbers]
        assert "and 5 more" in caught.value.why

    def test_each_is_told_with_its_place_and_so_are_those_that_were_not_tried(self) -> None:
        places = [Place("numbers.csv", line, 1) for line in (2, 3)]
        bindings = [NumberBinding(NUMBER, at=places[0]), NumberBinding("+15550109999", at=places[1])]
        planned_numbers = plan_numbers(bindings, {NUMBER: owned(NumberSettings())}, TARGET, {})
        with pytest.raises(Refused, match="1 of 2 numbers") as caught:
            refuse(planned_numbers)
        assert [finding.at for finding in caught.value.findings] == [places[1]]
        told: Any = caught.value.told["numbers"]
        assert [(one["number"], one["outcome"], one["at"]) for one in told] == [
            (NUMBER, "not_tried", "numbers.csv:2:1"),
            ("+15550109999", "refused", "numbers.csv:3:1"),
        ]


class TestRestoration:
    def restore(
        self,
        now: NumberSettings,
        before: NumberSettings | None,
        *,
        force: bool = False,
        target: NumberTarget | None = TARGET,
    ) -> NumberPlan:
        recorded = {} if before is None else {NUMBER: RememberedNumber(SID, NUMBER, before, OURS)}
        [planned] = plan_restorations([NUMBER], {NUMBER: owned(now)}, target, recorded, force=force)
        return planned

    def test_exactly_what_it_had(self) -> None:
        before = NumberSettings(voice_url=THEIRS, voice_method="GET", trunk_sid=TRUNK)
        planned = self.restore(NumberSettings(voice_url=OURS, voice_fallback_url=THEIRS), before)
        assert planned.wanted == before
        assert planned.fields == ("voice_url", "voice_method", "voice_fallback_url", "trunk_sid")

    def test_not_without_a_record(self) -> None:
        planned = self.restore(NumberSettings(voice_url=OURS), None)
        assert planned.refusal is not None
        assert "nothing is recorded" in planned.refusal.what

    @pytest.mark.parametrize(
        "now", [NumberSettings(voice_url=THEIRS), NumberSettings(voice_url=OURS, trunk_sid=TRUNK), NumberSettings()]
    )
    def test_not_what_was_pointed_elsewhere_since(self, now: NumberSettings) -> None:
        before = NumberSettings(voice_url="https://old.example/")
        planned = self.restore(now, before)
        assert planned.verdict is Verdict.REFUSED
        assert self.restore(now, before, force=True).wanted == before

    def test_what_has_it_again_is_done(self) -> None:
        before = NumberSettings(voice_url=THEIRS)
        assert self.restore(before, before).verdict is Verdict.UNCHANGED

    def test_nothing_of_ours_needs_to_be_live(self) -> None:
        before = NumberSettings(voice_url=THEIRS)
        assert self.restore(NumberSettings(voice_url=OURS), before, target=None).wanted == before

    def test_a_number_that_was_bought_anew_is_another(self) -> None:
        recorded = {NUMBER: RememberedNumber(NumberSid("PN" + "f" * 32), NUMBER, NumberSettings(), OURS)}
        [planned] = plan_restorations([NUMBER], {NUMBER: owned(NumberSettings())}, TARGET, recorded)
        assert planned.verdict is Verdict.REFUSED


def test_changes_of_a_plan_show_what_differs() -> None:
    [change] = to_changes([bind(NumberSettings(voice_url=THEIRS))])
    assert change.action is Action.UPDATE
    assert change.before == {"voice_url": THEIRS, "voice_fallback_url": ""}
    assert change.after == {"voice_url": OURS, "voice_fallback_url": THEIRS}
    assert change.consent


urls = st.sampled_from(["", DEMO, THEIRS, OURS, f"{OURS}?profile=es", "http://old.example/x?a=b"])
methods = st.sampled_from(["GET", "POST"])
all_settings = st.builds(
    NumberSettings,
    voice_url=urls,
    voice_method=methods,
    voice_fallback_url=urls,
    voice_fallback_method=methods,
    voice_application_sid=st.sampled_from(["", APPLICATION]),
    trunk_sid=st.sampled_from(["", TRUNK]),
)
bindings = st.builds(
    NumberBinding,
    number=st.just(NUMBER),
    to=st.sampled_from(["engage", "flow"]),
    fallback_url=st.sampled_from([None, THEIRS, "https://f.example/"]),
)


def apply(settings: NumberSettings, planned: NumberPlan) -> NumberSettings:
    """Change only what would be sent."""
    assert planned.wanted is not None
    return replace(settings, **{name: getattr(planned.wanted, name) for name in planned.fields})


@given(before=all_settings, binding=bindings)
def test_binding_settles_at_once_and_giving_back_is_exact(before: NumberSettings, binding: NumberBinding) -> None:
    first = bind(before, binding=binding, force=True)
    after = apply(before, first)
    assert after.voice_url == TARGET.url_for(binding)
    assert (after.voice_method, after.trunk_sid, after.voice_application_sid) == ("POST", "", "")
    remembered = None if first.is_ours or not first.fields else before
    second = bind(after, binding=binding, before=remembered, bound_url=after.voice_url, force=False)
    assert second.verdict is Verdict.UNCHANGED
    assert second.is_ours
    if remembered is None:
        return
    recorded = {NUMBER: RememberedNumber(SID, NUMBER, remembered, after.voice_url)}
    [back] = plan_restorations([NUMBER], {NUMBER: owned(after)}, TARGET, recorded)
    assert apply(after, back) == before


@given(one=all_settings, other=all_settings)
def test_only_what_differs_is_sent(one: NumberSettings, other: NumberSettings) -> None:
    fields = differing(one, other)
    assert replace(one, **{name: getattr(other, name) for name in fields}) == other
    assert not differing(one, one)
    assert describe(one)


FALLBACK = "https://generativeagent-1234.twil.io/fallback-12345678.xml"
OLD_FALLBACK = "https://generativeagent-1234.twil.io/fallback-87654321.xml"
WITH_FALLBACK = replace(TARGET, fallback_path="/fallback-12345678.xml")


@pytest.mark.parametrize(
    ("binding", "settings", "before", "fallback"),
    [
        pytest.param(
            NumberBinding(NUMBER, fallback_url="https://own.example.com/"),
            NumberSettings(voice_url=THEIRS),
            None,
            ("https://own.example.com/", "POST"),
            id="its own",
        ),
        pytest.param(
            NumberBinding(NUMBER),
            NumberSettings(voice_url=THEIRS, voice_method="GET", voice_fallback_url="https://old.example.com/"),
            None,
            (THEIRS, "GET"),
            id="what it had",
        ),
        pytest.param(
            NumberBinding(NUMBER),
            NumberSettings(voice_url=DEMO, voice_fallback_url="https://old.example.com/", voice_fallback_method="GET"),
            None,
            ("https://old.example.com/", "GET"),
            id="the fallback that it had",
        ),
        pytest.param(NumberBinding(NUMBER), NumberSettings(), None, (FALLBACK, "GET"), id="ours"),
        pytest.param(
            NumberBinding(NUMBER),
            NumberSettings(voice_url=DEMO, voice_fallback_url=DEMO),
            None,
            (FALLBACK, "GET"),
            id="demo",
        ),
        pytest.param(
            NumberBinding(NUMBER),
            NumberSettings(voice_url=OURS),
            NumberSettings(),
            (FALLBACK, "GET"),
            id="bound before",
        ),
        pytest.param(
            NumberBinding(NUMBER),
            NumberSettings(voice_url=OURS, voice_fallback_url=OLD_FALLBACK),
            NumberSettings(),
            (FALLBACK, "GET"),
            id="an earlier one of ours",
        ),
        pytest.param(
            NumberBinding(NUMBER),
            NumberSettings(voice_url=OURS, voice_fallback_url=OLD_FALLBACK),
            None,
            (FALLBACK, "GET"),
            id="an earlier one of ours, without a record",
        ),
        pytest.param(
            NumberBinding(NUMBER),
            NumberSettings(voice_url=OURS, voice_fallback_url="https://old.example.com/"),
            None,
            ("https://old.example.com/", "POST"),
            id="somebody's, without a record",
        ),
    ],
)
def test_the_fallback_is_the_first_of_four(
    binding: NumberBinding, settings: NumberSettings, before: NumberSettings | None, fallback: tuple[str, str]
) -> None:
    recorded = {} if before is None else {NUMBER: RememberedNumber(SID, NUMBER, before, OURS)}
    [planned] = plan_numbers([binding], {NUMBER: owned(settings)}, WITH_FALLBACK, recorded)
    assert planned.wanted is not None
    assert (planned.wanted.voice_fallback_url, planned.wanted.voice_fallback_method) == fallback


@pytest.mark.parametrize("before", [None, NumberSettings()])
def test_a_number_does_not_keep_a_fallback_that_the_config_has_dropped(before: NumberSettings | None) -> None:
    settings = NumberSettings(voice_url=OURS, voice_fallback_url=OLD_FALLBACK, voice_fallback_method="GET")
    planned = bind(settings, before=before)
    assert planned.wanted is not None
    assert (planned.wanted.voice_fallback_url, planned.verdict) == ("", Verdict.CHANGE)
