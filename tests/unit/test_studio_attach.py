"""Attach and detach on flows as people draw them: each file in `flows/` is a flow and the exit to insert at."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ga_deploy.errors import DeployError
from ga_deploy.studio import (
    attach,
    attached_at,
    build_flow,
    build_fragment,
    describe_flow,
    detach,
    diff_definitions,
    dump_definition,
    is_described,
    parse_definition,
    read_base,
)
from ga_deploy.studio.exits import EXITS
from tests.unit.studio_configs import TARGET, config_of

FLOWS = sorted((Path(__file__).parent / "flows").glob("*.json"))
FRAGMENT = build_fragment(config_of(), TARGET)


def read(file: Path) -> tuple[str, Any]:
    case = json.loads(file.read_text(encoding="utf-8"))
    return case["after"], parse_definition(case["flow"], where=file.name)


@pytest.fixture(params=FLOWS, ids=lambda file: file.stem)
def case(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return read(request.param)


def states(definition: Any) -> dict[str, Any]:
    return {state["name"]: state for state in definition["states"]}


def states_offset(state: Any) -> dict[str, int]:
    """Where a widget lies in the drawing; one without a place lies at the left."""
    return state["properties"].get("offset", {"x": 0})


def lead(event: str, target: str) -> dict[str, str]:
    return {"event": event, "next": target}


def test_there_are_ten_flows() -> None:
    assert len(FLOWS) >= 10


# Terraform's own example of a flow: a Trigger that lists no exits, since none of them leads anywhere.
BARE: Any = {
    "description": "Owl Bank",
    "states": [
        {"name": "Trigger", "type": "trigger", "transitions": [], "properties": {"offset": {"x": 0, "y": 0}}},
        {
            "name": "menu",
            "type": "split-based-on",
            "transitions": [{"event": "noMatch"}],
            "properties": {"input": "x", "offset": {"x": 0, "y": 240}},
        },
    ],
    "initial_state": "Trigger",
    "flags": {"allow_concurrent_calls": True},
}


def test_an_exit_that_is_not_listed_is_unconnected_and_not_listed_again_afterwards() -> None:
    before = copy.deepcopy(BARE)
    attached = attach(BARE, FRAGMENT, "Trigger.incomingCall")
    assert before == BARE
    assert states(attached)["Trigger"]["transitions"] == [{"event": "incomingCall", "next": "ga_engage"}]
    found = attached_at(attached)
    assert found is not None
    assert (found.after, found.before) == ("Trigger.incomingCall", None)
    again = attach(attached, FRAGMENT, "Trigger.incomingCall")
    assert again == attached
    assert detach(again) == BARE
    assert detach(attach(attached, FRAGMENT, "Trigger.incomingRequest")) == BARE


@pytest.mark.parametrize("after", ["menu.match", "menu.matches", "Trigger.incomingcall", "Trigger.incomingCall:2"])
def test_an_exit_that_the_widget_does_not_have_is_an_error(after: str) -> None:
    with pytest.raises(DeployError) as refused:
        attach(BARE, FRAGMENT, after)
    assert "its exits are" in refused.value.why


def test_every_widget_of_ours_lists_the_exits_that_it_has() -> None:
    for state in FRAGMENT:
        assert {one["event"] for one in state["transitions"]} - {"match"} == set(EXITS[state["type"]])


def test_attach_changes_one_exit_and_nothing_else(case: tuple[str, Any]) -> None:
    after, flow = case
    before = copy.deepcopy(flow)
    attached = attach(flow, FRAGMENT, after)
    assert flow == before
    theirs = {name: state for name, state in states(attached).items() if not name.startswith("ga_")}
    widget = after.partition(".")[0]
    assert list(theirs) == list(states(flow))
    assert {n: s for n, s in theirs.items() if n != widget} == {n: s for n, s in states(flow).items() if n != widget}
    exits = zip(states(flow)[widget]["transitions"], theirs[widget]["transitions"], strict=True)
    changed = [new for old, new in exits if old != new]
    assert [transition["next"] for transition in changed] == ["ga_engage"]
    assert {key: value for key, value in attached.items() if key != "states"} == {
        key: value for key, value in flow.items() if key != "states"
    }


def test_detach_gives_back_the_very_same_flow(case: tuple[str, Any]) -> None:
    after, flow = case
    assert dump_definition(detach(attach(flow, FRAGMENT, after))) == dump_definition(flow)


def test_an_attached_flow_is_whole_and_nothing_overlaps(case: tuple[str, Any]) -> None:
    after, flow = case
    attached = attach(flow, FRAGMENT, after)
    parse_definition(attached, where="attached")
    rightmost = max(states_offset(state)["x"] for state in flow["states"])
    ours = [state for state in attached["states"] if state["name"].startswith("ga_")]
    places = [(states_offset(state)["x"], states_offset(state)["y"]) for state in ours]
    assert min(x for x, _ in places) > rightmost
    assert len(set(places)) == len(places)


def test_attaching_again_is_no_change(case: tuple[str, Any]) -> None:
    after, flow = case
    attached = attach(flow, FRAGMENT, after)
    assert attach(attached, FRAGMENT, after) == attached
    assert not diff_definitions(attached, attach(attached, FRAGMENT, after))


def test_a_later_attach_updates_in_place_and_leaves_widgets_where_they_were_put(case: tuple[str, Any]) -> None:
    after, flow = case
    attached = attach(flow, FRAGMENT, after)
    moved = states(attached)["ga_engage"]["properties"]
    moved["offset"] = {"x": 12345, "y": -6}
    other = build_fragment(config_of("outcomes: {completed: [{say: Goodbye.}]}"), TARGET)
    updated = attach(attached, other, after)
    assert "ga_completed_1_say" in states(updated)
    assert states(updated)["ga_engage"]["properties"]["offset"] == {"x": 12345, "y": -6}
    assert detach(updated) == flow


def test_attaching_elsewhere_restores_the_first_place() -> None:
    _, flow = read(FLOWS[0])
    widget = flow["states"][1]
    second = f"{widget['name']}.{widget['transitions'][0]['event']}"
    moved = attach(attach(flow, FRAGMENT, "Trigger.incomingCall"), FRAGMENT, second)
    assert not diff_definitions(attach(flow, FRAGMENT, second), moved)
    assert detach(moved) == flow


def test_where_it_hangs_is_read_from_the_flow(case: tuple[str, Any]) -> None:
    after, flow = case
    assert attached_at(flow) is None
    found = attached_at(attach(flow, FRAGMENT, after))
    assert found is not None
    assert found.after.split(".")[0] == after.split(".")[0]
    again = attach(flow, FRAGMENT, found.after)
    assert again == attach(flow, FRAGMENT, after)


def test_a_renamed_target_stays_the_one_to_go_back_to() -> None:
    after, flow = read(Path(__file__).parent / "flows" / "menu.json")
    attached = attach(flow, FRAGMENT, after)
    renamed = json.loads(json.dumps(attached).replace('"help_desk"', '"front_desk"'))
    assert detach(renamed) == json.loads(json.dumps(flow).replace('"help_desk"', '"front_desk"'))


def test_an_exit_that_somebody_drew_into_our_widgets_leads_on_after_detaching() -> None:
    after, flow = read(Path(__file__).parent / "flows" / "menu.json")
    attached = attach(flow, FRAGMENT, after)
    states(attached)["accounts"]["transitions"][0]["next"] = "ga_transfer"
    detached = detach(attached)
    parse_definition(detached, where="detached")
    assert states(detached)["accounts"]["transitions"][0]["next"] == "help_desk"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("main_meny.keypress", "main_menu"),
        ("main_menu.pressed", "keypress, main_menu.speech"),
        ("main_menu_split.match", "main_menu_split.match:If 1"),
        ("main_menu_split.match:9", "main_menu_split.match:If 2"),
        ("main_menu_split", "exits"),
    ],
)
def test_an_exit_that_is_not_there_or_not_clear_is_explained(after: str, said: str) -> None:
    _, flow = read(Path(__file__).parent / "flows" / "menu.json")
    with pytest.raises(DeployError) as caught:
        attach(flow, FRAGMENT, after)
    assert said in f"{caught.value.what} {caught.value.why}"
    assert caught.value.fix


@pytest.mark.parametrize("after", ["main_menu_split.match:If 2", "main_menu_split.match:2"])
def test_a_match_is_told_apart_by_its_label_or_its_number(after: str) -> None:
    _, flow = read(Path(__file__).parent / "flows" / "menu.json")
    attached = attach(flow, FRAGMENT, after)
    assert [t.get("next") for t in states(attached)["main_menu_split"]["transitions"]] == [
        "main_menu",
        "accounts",
        "ga_engage",
    ]


@pytest.mark.parametrize("name", ["ga_transfer", "ga_before"])
def test_a_foreign_widget_of_our_name_is_not_replaced(name: str) -> None:
    _, flow = read(Path(__file__).parent / "flows" / "menu.json")
    states(flow)["greeting"]["name"] = name
    flow["states"][0]["transitions"][1]["next"] = name
    with pytest.raises(DeployError, match=f"`{name}`"):
        attach(flow, FRAGMENT, "Trigger.incomingCall")


def test_a_foreign_widget_with_our_prefix_survives() -> None:
    _, flow = read(Path(__file__).parent / "flows" / "menu.json")
    attached = attach(flow, FRAGMENT, "Trigger.incomingCall")
    own: Any = {"name": "ga_my_own", "type": "say-play", "transitions": [], "properties": {"say": "x"}}
    attached["states"].append(own)
    again = attach(attached, FRAGMENT, "Trigger.incomingCall")
    assert states(again)["ga_my_own"] == own
    assert [state for state in detach(again)["states"] if state["name"].startswith("ga_")] == [own]


@st.composite
def flows(draw: st.DrawFn) -> Any:
    names = draw(
        st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True), min_size=2, max_size=9, unique=True)
    )
    names = [name for name in names if not name.startswith("ga_")] or ["only"]
    return {
        "description": draw(st.text(max_size=9)),
        "initial_state": names[0],
        "states": [
            {
                "name": name,
                "type": draw(st.sampled_from(["trigger", "say-play", "split-based-on", "set-variables"])),
                "properties": draw(
                    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3)
                ),
                "transitions": [
                    draw(
                        st.one_of(
                            st.just({"event": event}),
                            st.just({"event": event, "next": None}),
                            st.sampled_from(names).map(partial(lead, event)),
                        )
                    )
                    for event in ("a", "b")
                ],
            }
            for name in names
        ],
    }


@settings(max_examples=60, deadline=None)
@given(flow=flows(), pick=st.integers(0, 99))
def test_detach_undoes_attach_for_any_flow(flow: Any, pick: int) -> None:
    state = flow["states"][pick % len(flow["states"])]
    after = f"{state['name']}.{'ab'[pick % 2]}"
    assert dump_definition(detach(attach(flow, FRAGMENT, after))) == dump_definition(flow)


def test_a_base_keeps_its_description_and_is_known_as_ours(tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(BARE), encoding="utf-8")
    config = config_of(f"flow: {{enabled: true, base: {file}}}")
    flow = build_flow(config, TARGET, read_base(config))
    assert flow["description"] == f"Owl Bank ({describe_flow(config)})"
    assert is_described(flow["description"], describe_flow(config))
    assert not is_described("Owl Bank", describe_flow(config))
    assert states(flow)["Trigger"]["transitions"] == [{"event": "incomingCall", "next": "ga_engage"}]
    exported: Any = {**BARE, "description": flow["description"]}
    unnamed: Any = {**BARE, "description": ""}
    assert build_flow(config, TARGET, exported)["description"] == flow["description"]
    assert build_flow(config, TARGET, unnamed)["description"] == describe_flow(config)
