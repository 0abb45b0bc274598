"""The widgets as Twilio's documentation tells of them, written down once more: what ga-deploy makes must obey this.

Nothing here is shared with the package; the emulator's validator is a second, separate reading.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

# type: (properties that must be there, properties that may be there, events)
WIDGETS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "trigger": (
        set(),
        set(),
        {"incomingMessage", "incomingCall", "incomingConversationMessage", "incomingRequest", "incomingParent"},
    ),
    "add-twiml-redirect": ({"url"}, {"method", "timeout"}, {"return", "timeout", "fail"}),
    "run-function": (
        {"url"},
        {"service_sid", "environment_sid", "function_sid", "parameters"},
        {"success", "fail"},
    ),
    "split-based-on": ({"input"}, set(), {"noMatch", "match"}),
    "connect-call-to": (
        {"noun"},
        {"caller_id", "to", "sip_endpoint", "sip_username", "sip_password", "record", "timeout"},
        {"callCompleted", "hangup"},
    ),
    "say-play": (set(), {"say", "play", "digits", "voice", "language", "loop"}, {"audioComplete"}),
    "enqueue-call": (
        set(),
        {"workflow_sid", "queue_name", "task_attributes", "priority", "timeout", "wait_url", "wait_url_method"},
        {"callComplete", "failedToEnqueue", "callFailure"},
    ),
    "set-variables": ({"variables"}, set(), {"next"}),
}
CONDITIONS = {"equal_to", "matches_any_of"}


def check(definition: dict[str, Any]) -> None:
    """Assert that a definition of ours obeys the tables."""
    assert set(definition) <= {"description", "states", "initial_state", "flags"}
    names = Counter(state["name"] for state in definition["states"])
    assert max(names.values()) == 1
    assert definition["initial_state"] in names
    assert len(names) <= 1000
    for state in definition["states"]:
        check_state(state, set(names))


def check_state(state: dict[str, Any], names: set[str]) -> None:
    """Assert that one widget obeys the tables."""
    assert set(state) == {"name", "type", "properties", "transitions"}
    assert re.fullmatch(r"[A-Za-z0-9_-]+", state["name"])
    must, may, events = WIDGETS[state["type"]]
    properties = dict(state["properties"])
    offset = properties.pop("offset")
    assert {key: type(value) for key, value in offset.items()} == {"x": int, "y": int}
    assert must <= set(properties) <= must | may
    seen = [transition["event"] for transition in state["transitions"]]
    assert set(seen) | {"match"} == events | {"match"}, "each exit is listed, connected or not"
    assert all(count == 1 for event, count in Counter(seen).items() if event != "match")
    for transition in state["transitions"]:
        assert set(transition) <= {"event", "next", "conditions"}
        assert transition.get("next", next(iter(names))) in names
        assert ("conditions" in transition) == (transition["event"] == "match")
        for condition in transition.get("conditions", []):
            assert set(condition) == {"friendly_name", "type", "value", "arguments"}
            assert condition["type"] in CONDITIONS
            assert condition["arguments"] == [properties["input"]]
            assert isinstance(condition["value"], str)
    check_values(state["type"], properties)


def check_values(kind: str, properties: dict[str, Any]) -> None:
    """Assert what the tables cannot say about a widget's properties."""
    if kind == "say-play":
        assert len({"say", "play", "digits"} & set(properties)) == 1
        assert isinstance(properties.get("loop", 1), int)
    if kind == "add-twiml-redirect":
        assert 0 <= int(properties["timeout"]) <= 14400
        assert isinstance(properties["timeout"], str)
        assert properties["method"] in {"GET", "POST"}
    if kind == "connect-call-to":
        assert properties["noun"] in {"number", "sip"}
        assert ("to" in properties) == (properties["noun"] == "number")
        assert ("sip_endpoint" in properties) == (properties["noun"] == "sip")
        assert isinstance(properties["timeout"], int)
    if kind == "run-function":
        assert all(set(one) == {"key", "value"} for one in properties["parameters"])
        assert len({one["key"] for one in properties["parameters"]}) == len(properties["parameters"])
    if kind == "enqueue-call":
        assert ("workflow_sid" in properties) != ("queue_name" in properties)
        assert isinstance(properties["task_attributes"], str)
