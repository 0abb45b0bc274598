"""Tells what is wrong with a flow definition: its shape, its transitions, and what each kind of widget needs.

Widgets that are not in the tables (there are about forty) are accepted with a warning, since nothing is known of them
here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ga_deploy.emulator.studio.tables import CONDITION_TYPES, WIDGETS, WidgetRules

# Twilio support, Studio Limitations.
MOST_WIDGETS = 2000

# Letters, digits, `_` and `-` (terraform provider).
_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass
class Findings:
    """What is wrong. An entry has `message` and `property_path` (`#/states/2/properties/url`).

    `unreadable`: the definition is no flow at all and cannot even be a draft.
    """

    errors: list[dict[str, str]]
    warnings: list[dict[str, str]]
    unreadable: bool = False

    def error(self, path: str, message: str) -> None:
        """Add what forbids publishing."""
        self.errors.append({"message": message, "property_path": path})

    def warn(self, path: str, message: str) -> None:
        """Add what is only odd."""
        self.warnings.append({"message": message, "property_path": path})


def check_definition(definition: Any) -> Findings:
    """Return everything that is wrong with a definition, parsed from JSON."""
    findings = Findings([], [])
    if not isinstance(definition, dict) or not isinstance(definition.get("states"), list):
        findings.error("#/states", "a definition is an object with a list of states")
        findings.unreadable = True
        return findings
    if not isinstance(definition.get("description"), str):
        findings.error("#/description", "description must be a text")
    flags = definition.get("flags")
    if flags is not None and not isinstance(flags, dict):
        findings.error("#/flags", "flags must be an object")
    states = definition["states"]
    if len(states) > MOST_WIDGETS:
        findings.error("#/states", f"a flow has at most {MOST_WIDGETS} widgets")
    names = _check_names(states, findings)
    initial = definition.get("initial_state")
    if initial not in names:
        findings.error("#/initial_state", f"initial_state must name a state: {initial!r}")
    if not any(isinstance(state, dict) and state.get("type") == "trigger" for state in states):
        findings.error("#/states", "a flow needs a trigger")
    for index, state in enumerate(states):
        if isinstance(state, dict):
            _check_state(f"#/states/{index}", state, names, findings)
    return findings


def _check_names(states: list[Any], findings: Findings) -> set[str]:
    names: set[str] = set()
    for index, state in enumerate(states):
        path = f"#/states/{index}"
        if not isinstance(state, dict):
            findings.error(path, "a state must be an object")
            findings.unreadable = True
            continue
        name = state.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            findings.error(f"{path}/name", "a name has letters, digits, underscores and dashes only")
        elif name in names:
            findings.error(f"{path}/name", f"another state is called {name} too")
        else:
            names.add(name)
    return names


def _check_state(path: str, state: dict[str, Any], names: set[str], findings: Findings) -> None:
    kind = state.get("type")
    if not isinstance(kind, str) or not kind:
        findings.error(f"{path}/type", "a state needs a type")
        return
    widget = WIDGETS.get(kind)
    if widget is None:
        findings.warn(f"{path}/type", f"this emulator does not know the widget {kind}")
    properties = state.get("properties")
    if not isinstance(properties, dict):
        findings.error(f"{path}/properties", "properties must be an object")
    else:
        _check_properties(f"{path}/properties", properties, widget, findings)
    transitions = state.get("transitions")
    if not isinstance(transitions, list):
        findings.error(f"{path}/transitions", "transitions must be a list")
        return
    for index, transition in enumerate(transitions):
        _check_transition(f"{path}/transitions/{index}", transition, kind, widget, names, findings)
    if kind == "split-based-on" and not any(
        isinstance(transition, dict) and transition.get("event") == "noMatch" for transition in transitions
    ):
        findings.error(f"{path}/transitions", "a split needs a transition for noMatch")


def _check_properties(path: str, properties: dict[str, Any], widget: WidgetRules | None, findings: Findings) -> None:
    offset = properties.get("offset")
    if offset is not None and not (
        isinstance(offset, dict) and all(isinstance(offset.get(axis), int | float) for axis in ("x", "y"))
    ):
        findings.error(f"{path}/offset", "offset must have the numbers x and y")
    if widget is None:
        return
    for name in widget.needs:
        if properties.get(name) is None or properties[name] == "":
            findings.error(f"{path}/{name}", f"{name} is required")
    given = [name for name in widget.one_of if properties.get(name)]
    if widget.one_of and len(given) != 1:
        findings.error(path, f"exactly one of {', '.join(widget.one_of)} is needed")
    for name, value in properties.items():
        check = widget.takes.get(name)
        # The Console writes what is left empty as null or as an empty text.
        if check is not None and value is not None and value != "" and (problem := check(value)) is not None:
            findings.error(f"{path}/{name}", f"{name} {problem}")


def _check_transition(
    path: str, transition: Any, kind: str, widget: WidgetRules | None, names: set[str], findings: Findings
) -> None:
    if not isinstance(transition, dict) or not isinstance(transition.get("event"), str):
        findings.error(path, "a transition needs an event")
        return
    event = transition["event"]
    if widget is not None and event not in widget.events:
        findings.error(f"{path}/event", f"{kind} has no event {event}; it has {', '.join(sorted(widget.events))}")
    following = transition.get("next")
    if following is not None and following not in names:
        findings.error(f"{path}/next", f"there is no state called {following!r}")
    conditions = transition.get("conditions", [])
    if event == "match" and kind == "split-based-on" and not conditions:
        findings.error(f"{path}/conditions", "a match needs a condition")
    if not isinstance(conditions, list):
        findings.error(f"{path}/conditions", "conditions must be a list")
        return
    for index, condition in enumerate(conditions):
        _check_condition(f"{path}/conditions/{index}", condition, findings)


def _check_condition(path: str, condition: Any, findings: Findings) -> None:
    if not isinstance(condition, dict):
        findings.error(path, "a condition must be an object")
        return
    if condition.get("type") not in CONDITION_TYPES:
        findings.error(f"{path}/type", f"there is no condition of type {condition.get('type')!r}")
    for name in ("friendly_name", "value"):
        if not isinstance(condition.get(name), str):
            findings.error(f"{path}/{name}", f"{name} must be a text")
    arguments = condition.get("arguments")
    if not isinstance(arguments, list) or not arguments or not all(isinstance(entry, str) for entry in arguments):
        findings.error(f"{path}/arguments", "arguments must be a list of texts")
