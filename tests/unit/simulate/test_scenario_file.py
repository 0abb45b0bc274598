"""Scenario files: what they may say, and findings with positions for what they may not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.errors import ConfigInvalid, Finding
from ga_deploy.simulate.interpreter.plan import HangUp, Reaction
from ga_deploy.simulate.judge.expected import Deployment, Destination, ProfileBehaviour
from ga_deploy.simulate.scenario.file import find_scenarios, list_shipped, parse_scenario
from ga_deploy.simulate.scenario.names import find_unknown_names

if TYPE_CHECKING:
    from pathlib import Path


def read(text: str):
    return parse_scenario(text.encode(), "mine.yaml", "mine")


def findings(text: str) -> tuple[Finding, ...]:
    with pytest.raises(ConfigInvalid) as caught:
        read(text)
    return caught.value.findings


def test_a_whole_scenario():
    scenario = read(
        """
title: A refund
call: {from: "+15550111111", query: {campaign: spring}, parameters: {FromCity: BOSTON}, repeat_webhooks: true}
asapp:
  script: {ending: SYSTEM, steps: [{say: Hello.}], report: {task: Refund}}
  faults: [{endpoint: stream-url, status: 503, times: 2}]
caller: {hang_up: {during: transfer, after: 1.5}, says: us-man}
destinations: [busy, answered]
deployment: {variables: {GA_ENABLED: "false"}}
fallback: {body: <Response/>}
expect: {outcome: system, went: [support], errors: [31920], max_dead_air: 2, ending: [hung-up, transferred]}
"""
    )
    assert (scenario.name, scenario.title) == ("mine", "A refund")
    assert scenario.query == {"campaign": "spring"}
    assert scenario.asapp.script == {"ending": "SYSTEM", "steps": [{"say": "Hello."}], "report": {"task": "Refund"}}
    assert scenario.asapp.faults == ({"endpoint": "stream-url", "status": 503, "times": 2},)
    assert scenario.caller.hang_up == HangUp("transfer", 1.5)
    assert scenario.reactions == (Reaction("busy"), Reaction("answered"))
    assert scenario.expect.went == ("support",)
    assert scenario.expect.errors == {31920}
    assert scenario.expect.ending == {"hung-up", "transferred"}


def test_an_empty_mapping_is_the_usual_call():
    assert read("title: x").asapp.script == "agent"


@pytest.mark.parametrize(
    ("text", "line", "column", "what", "fix"),
    [
        ("titel: x", 1, 1, "unknown key `titel`", "did you mean `title`?"),
        ("expect:\n  outcom: agent", 2, 3, "unknown key `expect.outcom`", "did you mean `outcome`?"),
        ("expect: {outcome: agnet}", 1, 19, "`expect.outcome` cannot be `agnet`", "did you mean `agent`?"),
        ("caller: {hang_up: {during: strem}}", 1, 28, "cannot be `strem`", "did you mean `stream`?"),
        ("expect: {max_dead_air: long}", 1, 24, "`expect.max_dead_air` is not a number in range", ""),
        ("expect: {max_dead_air: -1}", 1, 24, "`expect.max_dead_air` is not a number in range", ""),
        ("destinations: [bussy]", 1, 16, "`bussy` is not known here", "did you mean `busy`?"),
        ("destinations: {support: gone}", 1, 15, "`destinations.support` cannot be `gone`", ""),
        ("call: [a]", 1, 7, "`call` has to be a mapping", ""),
        ("call: {sip: maybe}", 1, 13, "`call.sip` has to be true or false", ""),
        ("title: [x]", 1, 8, "`title` has to be a text", ""),
        ("title: a\ntitle: b", 2, 1, "duplicate key `title`", ""),
        ("asapp: {script: [a]}", 1, 17, "`asapp.script` has to be a name or a mapping", ""),
        ("asapp: {faults: {a: b}}", 1, 17, "`asapp.faults` has to be a list of faults", ""),
        ("a: &x 1\nb: *x", 1, 4, "anchors and aliases are not accepted", ""),
        ("- a", 1, 1, "the scenario holds a list", "docs/simulate.md"),
        ("a: [", 1, 5, "the scenario is not YAML", ""),
        ("x" * 70_000, 0, 0, "the scenario is too large", ""),
        ("? [a, b]\n: c", 1, 3, "a key is a list or a mapping", "write a text"),
        ("a: " + "[" * 300, 1, 23, "the scenario is nested too deeply", ""),
        ("title: a\0b", 1, 9, "a character that YAML does not allow", "remove it"),
        (
            "asapp: {script: {steps: [{listen: !!int abc}]}}",
            1,
            35,
            "the tag `!!int` is not allowed in a scenario",
            "remove the tag",
        ),
        ("destinations: {a: [b]}", 1, 19, "`destinations.a` has to be a text", ""),
        ("title: a\n---\ntitle: b", 2, 1, "the scenario holds several documents", "keep one"),
        ("expect: {went: [a, {b: c}]}", 1, 20, "`expect.went` holds something that is no text", ""),
        ("fallback: text", 1, 11, "`fallback` has to be a mapping", ""),
        ("caller: {says: us-womn}", 1, 16, "there is no caller's voice `us-womn`", "did you mean `us-woman`?"),
        ("caller: {says: absent.wav}", 1, 16, "there is no caller's voice `absent.wav`", "us-woman"),
        ("caller: {keys: 12x}", 1, 16, "`caller.keys` cannot be `12x`", ""),
        ("caller: {seed: 1.5}", 1, 16, "`caller.seed` has to be a whole number", "for example 1"),
        ("expect: {errors: [31920, 12a]}", 1, 18, "`expect.errors` holds Twilio's codes", ""),
        ("call: {parameters: {From: x}}", 1, 20, "`call.parameters.From` cannot be chosen", "use `call.from`"),
        ("call: {parameters: {CallSid: x}}", 1, 20, "`call.parameters.CallSid` cannot be chosen", "remove it"),
        ("deployment: {variables: {ASAPP_API_HOST: x}}", 1, 25, "ASAPP_API_HOST` cannot be chosen", ""),
    ],
)
def test_findings_say_where_and_what_instead(text, line, column, what, fix):
    found = findings(text)[0]
    assert what in found.what
    assert fix in found.fix
    assert found.at is not None
    assert (found.at.line, found.at.column) == (line, column)
    assert found.why
    assert found.fix


def test_all_findings_at_once():
    assert len(findings("titel: x\nexpect: {outcome: nope, max_dead_air: x}\ncall: 3")) == 4


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_nothing_but_findings_comes_of_any_file(content):
    with contextlib.suppress(ConfigInvalid):
        assert parse_scenario(content, "any.yaml", "any").file == "any.yaml"


@pytest.mark.parametrize("path", list_shipped(), ids=lambda path: path.stem)
def test_shipped_scenarios_state_what_the_caller_must_go_through(path):
    scenario = find_scenarios([path.stem])[0]
    expected = scenario.expect
    assert scenario.title != path.stem
    assert scenario.tags
    assert expected.outcome or expected.ending


def test_unknown_names_are_found_together(tmp_path: Path):
    own = tmp_path / "own.yaml"
    own.write_text("title: Mine")
    assert find_scenarios([str(own)])[0].title == "Mine"
    with pytest.raises(ConfigInvalid) as caught:
        find_scenarios(["agnet", str(own), str(tmp_path / "absent.yaml"), str(tmp_path)])
    assert [finding.what.split("`")[0] for finding in caught.value.findings] == ["unknown scenario "] * 3
    assert caught.value.findings[0].fix == "did you mean `agent`?"


def test_what_yaml_takes_for_a_date_is_what_stands_there():
    assert read("asapp: {script: {steps: [{say: 2026-99-99}]}}").asapp.script == {"steps": [{"say": "2026-99-99"}]}


def test_a_number_that_is_too_long_for_one_stays_a_text():
    digits = "9" * 5000
    assert read(f"asapp: {{script: {{steps: [{{listen: {digits}}}]}}}}").asapp.script == {"steps": [{"listen": digits}]}


def test_a_file_that_is_no_text_is_a_finding():
    with pytest.raises(ConfigInvalid) as caught:
        parse_scenario(b"title: \xff", "mine.yaml", "mine")
    assert "the scenario is not UTF-8" in caught.value.findings[0].what


@pytest.mark.parametrize("key", ["title", "call", "expect", "destinations", "fallback"])
def test_a_key_without_a_value_counts_as_absent(key):
    assert read(f"{key}:") == read("{}")


def test_every_result_and_key_is_read_as_it_is_written():
    scenario = read("destinations: {support: no-answer, default: declined}\ncaller: {keys: 012, menu_keys: 1}")
    assert scenario.reactions_by_name == {"support": Reaction("no-answer"), "default": Reaction(keys="")}
    assert (scenario.caller.keys, scenario.caller.menu_keys) == ("012", ("1",))


def test_a_wav_lies_beside_its_scenario(tmp_path: Path):
    (tmp_path / "angry.wav").touch()
    (tmp_path / "own.yaml").write_text("caller: {says: angry.wav}")
    assert find_scenarios([str(tmp_path / "own.yaml")])[0].caller.says == str(tmp_path / "angry.wav")


NAMES = """
call: {profile: fr}
destinations: {suport: busy, default: answered}
deployment: {send_to: nihgt}
expect: {went: [nobody]}
"""


def test_names_that_the_config_does_not_have_are_found_with_the_nearest():
    known = {name: Destination(name, "number", "+15550100001") for name in ("support", "billing", "night")}
    deployment = Deployment(
        "https://x.twil.io/engage", "AC1", {"": ProfileBehaviour(), "es": ProfileBehaviour()}, known
    )
    found = find_unknown_names([read(NAMES)], deployment)
    assert [(one.what.split("`")[1], one.fix, one.at and one.at.line) for one in found] == [
        ("call.profile", "correct the scenario, or the config", 2),
        ("deployment.send_to", "did you mean `night`?", 4),
        ("destinations.suport", "did you mean `support`?", 3),
    ]
    right = read("call: {profile: es}\ndestinations: {support: busy}\nexpect: {went: [support]}")
    assert not find_unknown_names([right], deployment)
