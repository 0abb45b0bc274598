"""The shape of a Studio flow definition, and how one is read, written and named.

Field names and rules: Twilio docs, Studio Flow Definition and its JSON schemas. At a transition
without `next` the execution and the call end.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import NotRequired, TypedDict, cast

from ga_deploy.errors import DeployError

# The names of our widgets begin with it; a later run recognizes them by it in another owner's flow.
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

    It is checked as far as this package relies on it: every key of `Definition` and below has its type, states have
    unique names, and every `next` is an existing state. A definition without a description, and a state
    without properties, get empty ones. Unknown keys are kept as they are.
    """
    try:
        return _check(source)
    except _NoDefinitionError as problem:
        raise DeployError(
            f"{where} is not a Studio flow definition",
            why=str(problem),
            fix="export the flow again from the Console (Trigger widget, Show Flow JSON)",
        ) from None


class _NoDefinitionError(Exception):
    """Why something is not a definition."""


def _check(source: object) -> Definition:
    if not isinstance(source, dict) or not isinstance(source.get("states"), list) or not source["states"]:
        raise _NoDefinitionError("it has no list `states`")
    states = [_check_state(state) for state in source["states"]]
    names = [state["name"] for state in states]
    known = set(names)
    if len(known) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _NoDefinitionError(f"the state name `{twice}` is used twice")
    for state in states:
        for transition in state["transitions"]:
            target = transition.get("next")
            if target and target not in known:
                raise _NoDefinitionError(f"state `{state['name']}` leads to `{target}`, which does not exist")
    initial = source.get("initial_state")
    if not isinstance(initial, str) or initial not in known:
        raise _NoDefinitionError("its `initial_state` is not the name of a state")
    description = source.get("description", "")
    if not isinstance(description, str):
        raise _NoDefinitionError("its `description` is not a text")
    if not isinstance(source.get("flags", {}), dict):
        raise _NoDefinitionError("its `flags` are not an object")
    return cast("Definition", {**source, "states": states, "description": description})


def _check_state(state: object) -> State:
    if not isinstance(state, dict) or not isinstance(state.get("name"), str):
        raise _NoDefinitionError("a state has no name")
    name = state["name"]
    if not isinstance(state.get("type"), str) or not isinstance(state.get("transitions"), list):
        raise _NoDefinitionError(f"state `{name}` has no type or no list `transitions`")
    if not isinstance(state.get("properties", {}), dict):
        raise _NoDefinitionError(f"the properties of state `{name}` are not an object")
    for transition in state["transitions"]:
        _check_transition(transition, name)
    return cast("State", state if "properties" in state else {**state, "properties": {}})


def _check_transition(transition: object, state: str) -> None:
    if not isinstance(transition, dict) or not isinstance(transition.get("event"), str):
        raise _NoDefinitionError(f"a transition of state `{state}` has no event")
    if not isinstance(transition.get("next", ""), str | None):
        raise _NoDefinitionError(f"`next` of a transition of state `{state}` is not the name of a state")
    conditions = transition.get("conditions")
    if not isinstance(conditions, list | None):
        raise _NoDefinitionError(f"the conditions of a transition of state `{state}` are not a list")
    for condition in conditions or ():
        if not isinstance(condition, dict) or not isinstance(condition.get("friendly_name", ""), str):
            raise _NoDefinitionError(f"a condition of state `{state}` is not an object with a name")
        arguments = condition.get("arguments", [])
        if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
            raise _NoDefinitionError(f"the arguments of a condition of state `{state}` are not a list of texts")


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
    return _whole(offset.get("x")), _whole(offset.get("y"))


def _whole(place: object) -> int:
    return int(place) if isinstance(place, int | float) and math.isfinite(place) else 0


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
