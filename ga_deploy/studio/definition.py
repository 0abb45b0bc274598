"""The shape of a Studio flow definition, and how one is read, written and named.

Field names and rules: Twilio docs, Studio Flow Definition and its JSON schemas. A transition without `next` is a loose
end: the execution, and with it the call, ends there.
"""

from __future__ import annotations

import hashlib
import json
from typing import NotRequired, TypedDict, cast

from ga_deploy.errors import DeployError

# Every widget of ours is named with it: how a later run knows its own work in a flow that somebody else made.
PREFIX = "ga_"

# Twilio docs, JSON schema of a flow definition: at most 1000 states.
MOST_STATES = 1000


class Condition(TypedDict):
    """One condition of a `match` transition: the Liquid expressions in `arguments` are compared with `value`."""

    friendly_name: str
    type: str
    value: str
    arguments: list[str]


class Transition(TypedDict):
    """An exit of a widget."""

    event: str
    next: NotRequired[str]
    conditions: NotRequired[list[Condition]]


class State(TypedDict):
    """A widget. `properties` differ by `type`; each has an `offset` for the Console's canvas."""

    name: str
    type: str
    properties: dict[str, object]
    transitions: list[Transition]


class Definition(TypedDict):
    """A whole flow."""

    description: str
    states: list[State]
    initial_state: str
    flags: NotRequired[dict[str, object]]


def parse_definition(source: object, *, where: str) -> Definition:
    """Return `source` (decoded JSON) as a definition, or raise DeployError that names `where` it came from.

    Only what the rest of this package relies on is checked: states with unique names, types and transitions, every
    `next` an existing state. Unknown keys are kept as they are.
    """

    def refuse(why: str) -> DeployError:
        return DeployError(
            f"{where} is not a Studio flow definition",
            why=why,
            fix="export the flow again from the Console (Trigger widget, Show Flow JSON)",
        )

    if not isinstance(source, dict) or not isinstance(source.get("states"), list):
        raise refuse("it has no list `states`")
    names: list[str] = []
    for state in source["states"]:
        if not isinstance(state, dict) or not isinstance(state.get("name"), str):
            raise refuse("a state has no name")
        name = state["name"]
        if not isinstance(state.get("type"), str) or not isinstance(state.get("transitions"), list):
            raise refuse(f"state `{name}` has no type or no list `transitions`")
        if not isinstance(state.get("properties", {}), dict):
            raise refuse(f"the properties of state `{name}` are not an object")
        names.append(name)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refuse(f"the state name `{twice}` is there twice")
    known = set(names)
    for state in source["states"]:
        for transition in state["transitions"]:
            if not isinstance(transition, dict) or not isinstance(transition.get("event"), str):
                raise refuse(f"a transition of state `{state['name']}` has no event")
            target = transition.get("next")
            if target and target not in known:
                raise refuse(f"state `{state['name']}` leads to `{target}`, which does not exist")
    return cast("Definition", source)


def dump_definition(definition: Definition, *, indent: int | None = None) -> str:
    """Return the JSON text of a definition; equal definitions give equal bytes."""
    return json.dumps(definition, indent=indent, ensure_ascii=False, separators=None if indent else (",", ":"))


def fingerprint(definition: Definition) -> str:
    """Return twelve hex digits that change when anything but the widgets' places on the canvas changes."""
    text = json.dumps(strip_layout(definition), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def strip_layout(definition: Definition) -> Definition:
    """Return a copy of `definition` without the widgets' places on the canvas."""
    copy = definition.copy()
    copy["states"] = [strip_offset(state) for state in definition["states"]]
    return copy


def strip_offset(state: State) -> State:
    """Return a copy of `state` without its place on the canvas."""
    copy = state.copy()
    copy["properties"] = {key: value for key, value in state.get("properties", {}).items() if key != "offset"}
    return copy


def is_ours(name: str) -> bool:
    """Tell whether a widget of this name is one that ga-deploy makes."""
    return name.startswith(PREFIX)


def offset_of(state: State) -> tuple[int, int]:
    """Return the place of a widget on the canvas, (0, 0) when the definition gives none."""
    offset = state.get("properties", {}).get("offset")
    if not isinstance(offset, dict):
        return 0, 0
    x, y = offset.get("x"), offset.get("y")
    return (int(x) if isinstance(x, int | float) else 0, int(y) if isinstance(y, int | float) else 0)


def keep_places(wanted: Definition, live: Definition) -> Definition:
    """Return `wanted` with every widget where `live` has it: somebody may have arranged them in the Console."""
    places = {
        state["name"]: state["properties"]["offset"] for state in live["states"] if "offset" in state["properties"]
    }
    copy = wanted.copy()
    copy["states"] = [_place(state, places) for state in wanted["states"]]
    return copy


def _place(state: State, places: dict[str, object]) -> State:
    if state["name"] not in places:
        return state
    copy = state.copy()
    copy["properties"] = {**state["properties"], "offset": places[state["name"]]}
    return copy
