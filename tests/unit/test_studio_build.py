"""The flow that a config asks for: accepted by two validators, complete, the same every time, without a secret."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ga_deploy.emulator.studio.definition import check_definition
from ga_deploy.studio import build_flow, build_fragment, draw_mermaid, dump_definition, fingerprint
from tests.unit import widget_tables
from tests.unit.studio_configs import TARGET, config_of

if TYPE_CHECKING:
    from collections.abc import Callable

OUTCOMES = ["agent", "system", "completed", "dropped", "unknown", "failed", "closed", "machine", "bypass"]


def flow_of(sections: str = "") -> dict[str, Any]:
    return dict(build_flow(config_of(sections), TARGET))


def states(flow: dict[str, Any]) -> dict[str, Any]:
    return {state["name"]: state for state in flow["states"]}


def exits(state: dict[str, Any]) -> dict[str, Any]:
    named = {}
    for transition in state["transitions"]:
        conditions = transition.get("conditions")
        named[conditions[0]["value"] if conditions else transition["event"]] = transition.get("next")
    return named


def branch(flow: dict[str, Any], outcome: str, split: str = "ga_outcome") -> str:
    return exits(states(flow)[split])[outcome]


def test_the_trunk_is_the_published_recipe() -> None:
    flow = states(flow_of())
    assert exits(flow["Trigger"])["incomingCall"] == "ga_engage"
    assert flow["ga_engage"]["properties"]["url"].startswith(
        "https://generativeagent-1234.twil.io/flow/engage?FlowSid={{flow.flow_sid}}&"
    )
    assert exits(flow["ga_engage"])["return"] == "ga_transfer"
    assert flow["ga_transfer"]["properties"]["url"] == "https://generativeagent-1234.twil.io/flow/call-transfer"
    sids = ("service_sid", "environment_sid", "function_sid")
    assert [flow["ga_transfer"]["properties"][sid][:2] for sid in sids] == ["ZS", "ZE", "ZH"]
    assert exits(flow["ga_transfer"])["success"] == "ga_outcome"
    assert flow["ga_outcome"]["properties"]["input"] == "{{widgets.ga_transfer.parsed.outcome}}"
    found = exits(flow["ga_outcome"])
    assert set(found) == {*OUTCOMES, "pending", "reconnect", "noMatch"}
    assert found["pending"] == "ga_waiting_say"
    assert exits(flow["ga_waiting_say"]) == {"audioComplete": "ga_transfer"}
    assert found["reconnect"] == "ga_engage"
    assert found["noMatch"] == found["unknown"] == exits(flow["ga_transfer"])["fail"]


def test_steps_that_studio_knows_are_its_own_widgets() -> None:
    flow = flow_of("""
destinations:
  desk: {number: "+15550100009", caller_id: "+15550100008", timeout: 33}
  pbx: {sip: "sip:desk@pbx.example.com"}
  flex:
    enqueue:
      workflow_sid: WW00000000000000000000000000000001
      attributes: {channel: voice, why: {from: transferVariables.reason}}
  ivr: {redirect: "https://ivr.example.com/voice?x=1", params: {lang: "en & more"}}
outcomes:
  agent:
    [{say: Hold on.}, {play: "https://example.com/a.mp3"}, {pause: 2},
     {send: desk}, {send: pbx}, {send: flex}, {send: ivr}]
""")
    by_name = states(flow)
    name = branch(flow, "agent")
    kinds = []
    seen = []
    while name:
        state = by_name[name]
        kinds.append(state["type"])
        seen.append(state["properties"])
        ways = exits(state)
        name = (
            ways.get("audioComplete")
            or ways.get("callCompleted")
            or ways.get("noMatch")
            or ways.get("failedToEnqueue")
            or ""
        )
        if state["type"] == "add-twiml-redirect":
            name = ways["fail"]
            assert name == "ga_exhausted_1_say"
            break
    assert kinds == [
        "say-play",
        "say-play",
        "say-play",
        "connect-call-to",
        "split-based-on",
        "connect-call-to",
        "split-based-on",
        "enqueue-call",
        "add-twiml-redirect",
    ]
    assert seen[0]["say"] == "Hold on."
    assert seen[0]["voice"] == "Polly.Joanna-Neural"
    assert seen[2]["digits"] == "wwww"
    assert (seen[3]["to"], seen[3]["caller_id"], seen[3]["timeout"]) == ("+15550100009", "+15550100008", 33)
    assert (seen[5]["noun"], seen[5]["sip_endpoint"]) == ("sip", "sip:desk@pbx.example.com")
    assert seen[7]["task_attributes"] == '{{widgets.ga_transfer.parsed.attributes.flex | default: "{}" }}'
    assert seen[8]["url"] == "https://ivr.example.com/voice?x=1&lang=en%20%26%20more"
    widget_tables.check(flow)


def test_an_answered_call_is_over_and_an_unanswered_one_goes_on() -> None:
    flow = flow_of("outcomes: {agent: [{send: support}, {say: Nobody there.}]}")
    judged = states(flow)[exits(states(flow)[branch(flow, "agent")])["callCompleted"]]
    assert exits(judged) == {"completed,answered": None, "noMatch": "ga_agent_2_say"}
    assert exits(states(flow)["ga_agent_2_say"])["audioComplete"] == "ga_exhausted_1_say"


BEYOND_STUDIO = {
    "signed notification": 'outcomes: {agent: [{notify: "https://crm.example.com/x"}, {send: support}]}',
    "opening hours": """
        destinations:
          support: {number: "+15550100001", hours: {timezone: UTC, open: {mon-fri: "09:00-17:00"}}}""",
    "blind transfer": 'destinations: {support: {refer: "sip:a@b.example.com"}}',
    "SIP headers": """
        destinations:
          support: {sip: "sip:a@b.example.com", headers: {X-Task: {from: outcome.currentTaskName}}}""",
    "SIP password": """
        destinations:
          support: {sip: "sip:a@b.example.com", username: u, password: "${PBX_PASSWORD}"}""",
    "a parameter known at call time": """
        destinations:
          support: {redirect: "https://i.example.com/", params: {a: {from: call.From}}}""",
    "a text that Liquid would read": 'outcomes: {agent: [{say: "Press {{1}} now."}, {send: support}]}',
    "choices that differ in case": """
        outcomes:
          agent: [{send: {by: {from: outcome.currentTaskName}, map: {Billing: support, billing: support}}}]""",
    "a name that Liquid cannot say": """
        outcomes:
          agent: [{send: {by: {from: transferVariables.1st.part}, map: {x: support}}}]""",
}


@pytest.mark.parametrize("case", BEYOND_STUDIO)
def test_what_studio_cannot_say_goes_to_our_step_runner(case: str) -> None:
    sections = BEYOND_STUDIO[case]
    flow = flow_of(sections)
    runner = states(flow)[branch(flow, "agent" if "outcomes" in sections else "dropped")]
    assert runner["type"] == "add-twiml-redirect"
    assert runner["properties"]["timeout"] == "0"
    assert (
        "/call-complete?transfer={{widgets.ga_transfer.parsed.transferId | url_encode}}&" in runner["properties"]["url"]
    )
    assert "&step=0&" in runner["properties"]["url"]
    widget_tables.check(flow)


def test_the_runner_takes_over_at_the_step_that_needs_it_and_nothing_hangs_behind() -> None:
    flow = flow_of('outcomes: {system: [{say: One moment.}, {notify: "https://crm.example.com/x"}, {send: support}]}')
    first = states(flow)[branch(flow, "system")]
    assert exits(first) == {"audioComplete": "ga_system_2_steps"}
    assert "outcome=system&step=1&" in states(flow)["ga_system_2_steps"]["properties"]["url"]
    assert not [name for name in states(flow) if name.startswith("ga_system_3")]


def test_a_hook_that_may_replace_steps_decides_every_outcome(tmp_path: Any) -> None:
    hook = tmp_path / "after.js"
    hook.write_text("module.exports = () => undefined;\n")
    flow = flow_of(f"hooks: {{after_call: {hook}}}")
    for outcome in OUTCOMES:
        assert f"outcome={outcome}&step=0" in states(flow)[branch(flow, outcome)]["properties"]["url"]


def test_routing_by_a_value_is_a_split_with_a_default() -> None:
    flow = flow_of("""
destinations: {billing: {number: "+15550100007"}}
outcomes:
  agent: [{send: {by: {from: transferVariables.team}, map: {Billing: billing, Money: billing}, default: support}}]
""")
    route = states(flow)[branch(flow, "agent")]
    assert route["properties"]["input"] == "{{widgets.ga_transfer.parsed.transferVariables.team}}"
    assert exits(route) == {
        "Billing": "ga_agent_1_to_billing",
        "Money": "ga_agent_1_to_billing",
        "noMatch": "ga_agent_1_to_support",
    }


def test_a_value_that_names_a_destination_offers_all_of_them() -> None:
    flow = flow_of("""
destinations: {billing: {number: "+15550100007"}}
outcomes: {agent: [{send: {by: {from: transferVariables.desk}}}]}
""")
    assert exits(states(flow)[branch(flow, "agent")]) == {
        "support": "ga_agent_1_to_support",
        "billing": "ga_agent_1_to_billing",
        "noMatch": "ga_exhausted_1_say",
    }


def test_a_profile_that_differs_has_its_own_branches_and_one_that_does_not_has_none() -> None:
    flow = flow_of("""
profiles:
  es: {voice: {name: Polly.Lupe-Neural, language: es-US}}
  vip: {input: {taskName: gold}}
""")
    assert exits(states(flow)["ga_transfer"]) == {"success": "ga_profile", "fail": "ga_lost"}
    assert exits(states(flow)["ga_profile"]) == {"es": "ga_es_outcome", "noMatch": "ga_outcome"}
    assert states(flow)["ga_es_agent_1_say"]["properties"]["voice"] == "Polly.Lupe-Neural"
    assert not [name for name in states(flow) if "vip" in name]


def test_waiting_plays_what_the_config_says() -> None:
    flow = flow_of('waiting: {play: "https://example.com/wait.mp3"}')
    assert branch(flow, "pending") == "ga_waiting_play"
    assert states(flow)["ga_waiting_play"]["properties"]["play"] == "https://example.com/wait.mp3"
    assert exits(states(flow)["ga_waiting_play"]) == {"audioComplete": "ga_transfer"}


def test_waiting_says_what_the_config_says_in_each_voice() -> None:
    flow = flow_of("""
waiting: {say: "Please wait.", play: "https://example.com/wait.mp3"}
profiles:
  es: {voice: {name: Polly.Lupe-Neural, language: es-US}, waiting: {say: "Un momento."}}
  quiet: {waiting: {say: "", play: ""}}
""")
    assert branch(flow, "pending") == "ga_waiting_say"
    said = states(flow)["ga_es_waiting_say"]
    assert (said["properties"]["say"], said["properties"]["voice"]) == ("Un momento.", "Polly.Lupe-Neural")
    assert exits(said) == {"audioComplete": "ga_es_waiting_play"}
    assert exits(states(flow)["ga_es_waiting_play"]) == {"audioComplete": "ga_transfer"}
    assert not [name for name in states(flow) if name.startswith("ga_quiet_waiting")]


def test_waiting_is_not_silent_unless_the_config_says_so() -> None:
    assert states(flow_of(""))["ga_waiting_say"]["properties"]["say"] == "One moment, please."
    assert branch(flow_of("voice: {language: ja-JP}"), "pending") == "ga_transfer"


def test_names_of_the_query_become_variables_of_the_flow() -> None:
    flow = flow_of("""
input: {variables: {campaign: {from: query.campaign, default: none}}}
destinations:
  flex:
    enqueue:
      workflow_sid: WW00000000000000000000000000000001
      attributes: {c: {from: query.campaign}, city: {from: call.FromCity}}
outcomes: {agent: [{send: flex}], dropped: [{send: flex}]}
""")
    assert (
        "&query.campaign={{flow.variables.campaign | default: trigger.call.campaign | url_encode}}"
        in states(flow)["ga_engage"]["properties"]["url"]
    )
    passed = {one["key"]: one["value"] for one in states(flow)["ga_transfer"]["properties"]["parameters"]}
    assert passed["query.campaign"] == "{{flow.variables.campaign | default: trigger.call.campaign}}"
    assert passed["FromCity"] == "{{trigger.call.FromCity}}"


def test_the_same_config_gives_the_same_bytes() -> None:
    assert dump_definition(build_flow(config_of(), TARGET)) == dump_definition(build_flow(config_of(), TARGET))
    assert fingerprint(build_flow(config_of(), TARGET)) != fingerprint(
        build_flow(config_of("outcomes: {completed: [{say: Bye.}]}"), TARGET)
    )


def test_the_picture_names_every_widget_and_survives_odd_names() -> None:
    flow = build_flow(config_of(), TARGET)
    drawn = draw_mermaid(flow)
    assert all(f'"{state["name"]}<br/>' in drawn for state in flow["states"])
    flow["states"][0]["name"] = 'a"b<c>#'
    assert "a#quot;b#lt;c#gt;#35;" in draw_mermaid(flow)


def test_the_flow_is_what_it_was(golden: Callable[[str, str], None]) -> None:
    flow = build_flow(config_of(), TARGET)
    golden("flow-definition.json", dump_definition(flow, indent=2) + "\n")
    golden("flow.mmd", draw_mermaid(flow))


STEPS = st.lists(
    st.one_of(
        st.builds(lambda text: {"say": text}, st.sampled_from(["Hello.", "¡Hola! 😀", 'He said "no".', "{{ x }}"])),
        st.just({"play": "https://example.com/a.mp3"}),
        st.builds(lambda seconds: {"pause": seconds}, st.integers(1, 60)),
        st.just({"notify": "https://crm.example.com/hook"}),
        st.sampled_from([{"send": name} for name in ("support", "pbx", "flex", "carrier", "night")]),
        st.just(
            {"send": {"by": {"from": "transferVariables.team"}, "map": {"A": "pbx", "B": "flex"}, "default": "support"}}
        ),
        st.just({"send": {"by": {"from": "outcome.currentTaskName"}, "map": {"Bill": "night"}}}),
    ),
    min_size=1,
    max_size=4,
)
# What takes a call for good can only stand last.
BRANCHES = st.builds(lambda steps, last: [*steps, {"send": last}], STEPS, st.sampled_from(["support", "ivr"]))


@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(
    outcomes=st.fixed_dictionaries(dict.fromkeys(OUTCOMES, BRANCHES)),
    profile=st.none() | st.fixed_dictionaries({"agent": BRANCHES}),
    playing=st.booleans(),
)
def test_any_config_gives_a_flow_that_both_validators_accept(
    outcomes: dict[str, Any], profile: dict[str, Any] | None, playing: bool
) -> None:
    sections = {
        "destinations": {
            "pbx": {"sip": "sip:a@b.example.com", "caller_id": "caller"},
            "flex": {
                "enqueue": {"workflow_sid": "WW" + "0" * 32, "attributes": {"a": '"', "b": {"from": "call.From"}}}
            },
            "ivr": {"redirect": "https://ivr.example.com/"},
            "carrier": {"refer": "sip:q@c.example.com"},
            "night": {"number": "+15550100002", "hours": {"timezone": "UTC", "open": {"mon": "00:00-24:00"}}},
        },
        "outcomes": outcomes,
        "waiting": {"play": "https://example.com/w.mp3"} if playing else {},
    }
    if profile:
        sections["profiles"] = {"es": {"outcomes": profile}}
    config = config_of(yaml.safe_dump(sections, allow_unicode=True))
    flow: dict[str, Any] = dict(build_flow(config, TARGET))
    widget_tables.check(flow)
    findings = check_definition(json.loads(json.dumps(flow)))
    assert (findings.errors, findings.warnings) == ([], [])
    assert reachable(flow) == set(states(flow)), "no widget hangs loose"
    places = [tuple(state["properties"]["offset"].values()) for state in flow["states"]]
    assert len(set(places)) == len(places), "no two widgets lie on each other"
    assert [state["name"] for state in build_fragment(config, TARGET)] == [
        state["name"] for state in flow["states"][1:]
    ]


def reachable(flow: dict[str, Any]) -> set[str]:
    found, queue = {"Trigger"}, deque(["Trigger"])
    while queue:
        for transition in states(flow)[queue.popleft()]["transitions"]:
            target = transition.get("next")
            if target and target not in found:
                found.add(target)
                queue.append(target)
    return found


def test_no_secret_stands_in_the_definition() -> None:
    flow = flow_of("""
destinations: {pbx: {sip: "sip:a@b.example.com", username: u, password: "${PBX_PASSWORD}"}}
outcomes: {agent: [{notify: {url: "https://crm.example.com/x", secret: "${HOOK}"}}, {send: pbx}]}
""")
    text = json.dumps(flow)
    assert "local-PBX_PASSWORD" not in text
    assert "local-HOOK" not in text


def test_no_text_of_the_config_becomes_an_expression() -> None:
    evil = "{{ flow.sid }}{% raw %}"
    flow = flow_of(f"""
waiting: {{say: "{evil}"}}
destinations:
  flex:
    enqueue: {{workflow_sid: WW00000000000000000000000000000001, attributes: {{a: "{evil}"}}}}
  "other queue":
    enqueue:
      workflow_sid: WW00000000000000000000000000000001
      attributes: {{a: {{from: call.From, default: "{evil}"}}}}
  away: {{redirect: "https://ivr.example.com/x", params: {{p: "{evil}", "{evil}": q}}}}
outcomes:
  agent: [{{say: "{evil}"}}, {{send: flex}}]
  system: [{{send: "other queue"}}, {{send: flex}}]
  dropped: [{{send: away}}]
  unknown: [{{send: {{by: {{from: transferVariables.team}}, map: {{"{evil}": flex, x: away}}, default: away}}}}]
  failed: [{{send: {{by: {{from: transferVariables.a.b}}, map: {{x: flex}}, default: away}}}}]
""")
    expressions = re.findall(r"\{\{(.*?)\}\}", json.dumps(flow))
    assert len(expressions) > 10
    for expression in expressions:
        assert re.match(r"(widgets\.ga_|trigger\.call\.|flow\.variables\.|flow\.flow_sid$)", expression), expression
    assert "{%" not in json.dumps(flow)
