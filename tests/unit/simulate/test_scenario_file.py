"""Scenario files: what they may say, and findings with positions for what they may not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.errors import ConfigInvalid, Finding
from ga_deploy.simulate.plan import HangUp, Reaction
from ga_deploy.simulate.scenario_file import find_scenarios, list_shipped, parse_scenario

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
        ("title: a\ntitle: b", 2, 1, "`title` stands here twice", ""),
        ("asapp: {script: [a]}", 1, 17, "`asapp.script` has to be a name or a mapping", ""),
        ("asapp: {faults: {a: b}}", 1, 17, "`asapp.faults` has to be a list of faults", ""),
        ("a: &x 1\nb: *x", 1, 4, "anchors and aliases are not accepted", ""),
        ("- a", 0, 0, "the scenario is not a mapping", ""),
        ("a: [", 1, 5, "the scenario is not valid YAML", ""),
        ("x" * 70_000, 0, 0, "the scenario is too large", ""),
    ],
)
def test_findings_say_where_and_what_instead(text, line, column, what, fix):
    found = findings(text)[0]
    assert what in found.what
    assert fix in found.fix
    assert (found.at.line, found.at.column) == (line, column)


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
