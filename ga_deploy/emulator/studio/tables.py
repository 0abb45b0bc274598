"""What each kind of Studio widget has: its events, its properties, those that must be there.

Sources: the widget tests and definitions of the terraform provider, Twilio's docs page of each widget.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class WidgetRules:
    """What a kind of widget has: properties with the check of their value, those that must be there, and events."""

    events: frozenset[str]
    needs: tuple[str, ...] = ()
    takes: dict[str, Callable[[Any], str | None]] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a text"


def _filled(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "must be a text that is not empty"


def _whole(value: Any) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"


def _number(value: Any) -> str | None:
    """Check a number that the Console also writes as a text, with Liquid in it if need be."""
    if _whole(value) is None or (isinstance(value, str) and (re.fullmatch(r"\d*", value) or "{{" in value)):
        return None
    return "must be a whole number"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _choice(*allowed: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        return None if value in allowed else f"must be one of {', '.join(allowed)}"

    return check


def _redirect_timeout(value: Any) -> str | None:
    if isinstance(value, str) and re.fullmatch(r"\d{1,5}", value) and int(value) <= 14400:
        return None
    return "must be a text of seconds from 0 to 14400"


def _pairs(value: Any) -> str | None:
    fine = isinstance(value, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("key"), str) and isinstance(entry.get("value"), str)
        for entry in value
    )
    return None if fine else "must be a list of objects with key and value"


def _sid(*prefixes: str) -> Callable[[Any], str | None]:
    pattern = re.compile(f"({'|'.join(prefixes)})[0-9a-fA-F]{{32}}")

    def check(value: Any) -> str | None:
        fits = isinstance(value, str) and pattern.fullmatch(value)
        return None if fits else f"must be a SID ({', '.join(prefixes)})"

    return check


def _service(value: Any) -> str | None:
    return None if value == "default" else _sid("ZS")(value)


_METHOD = _choice("GET", "POST")
_TASK = {"priority": _number, "timeout": _number}

WIDGETS: dict[str, WidgetRules] = {
    "trigger": WidgetRules(
        frozenset(
            {"incomingMessage", "incomingCall", "incomingConversationMessage", "incomingRequest", "incomingParent"}
        )
    ),
    "add-twiml-redirect": WidgetRules(
        frozenset({"return", "timeout", "fail"}),
        needs=("url",),
        takes={"url": _filled, "method": _METHOD, "timeout": _redirect_timeout},
    ),
    "run-function": WidgetRules(
        frozenset({"success", "fail"}),
        needs=("url",),
        takes={
            "url": _filled,
            "service_sid": _service,
            "environment_sid": _sid("ZE"),
            "function_sid": _sid("ZH"),
            "parameters": _pairs,
        },
    ),
    "make-http-request": WidgetRules(
        frozenset({"success", "failed"}),
        needs=("method", "url", "content_type"),
        takes={
            "method": _METHOD,
            "url": _filled,
            "content_type": _choice(
                "application/x-www-form-urlencoded;charset=utf-8", "application/json;charset=utf-8"
            ),
            "body": _text,
            "parameters": _pairs,
        },
    ),
    "split-based-on": WidgetRules(frozenset({"noMatch", "match"}), needs=("input",), takes={"input": _filled}),
    "connect-call-to": WidgetRules(
        frozenset({"callCompleted", "hangup"}),
        needs=("noun", "caller_id"),
        takes={
            "noun": _choice("client", "conference", "number", "number-multi", "sim", "sip"),
            "caller_id": _filled,
            "to": _filled,
            "sip_endpoint": _filled,
            "sip_username": _text,
            "sip_password": _text,
            "record": _boolean,
            "timeout": _number,
        },
    ),
    "say-play": WidgetRules(
        frozenset({"audioComplete"}),
        takes={"say": _filled, "play": _filled, "digits": _filled, "voice": _text, "language": _text, "loop": _number},
        one_of=("say", "play", "digits"),
    ),
    "enqueue-call": WidgetRules(
        frozenset({"callComplete", "failedToEnqueue", "callFailure"}),
        takes={
            "workflow_sid": _sid("WW"),
            "queue_name": _filled,
            "task_attributes": _text,
            "wait_url": _text,
            "wait_url_method": _METHOD,
            **_TASK,
        },
        one_of=("workflow_sid", "queue_name"),
    ),
    # camelCase here and nowhere else.
    "send-to-flex": WidgetRules(
        frozenset({"callComplete", "failedToEnqueue", "callFailure"}),
        needs=("workflow", "channel"),
        takes={
            "workflow": _sid("WW"),
            "channel": _sid("TC"),
            "attributes": _text,
            "waitUrl": _text,
            "waitUrlMethod": _METHOD,
            **_TASK,
        },
    ),
    "set-variables": WidgetRules(frozenset({"next"}), takes={"variables": _pairs}),
}

CONDITION_TYPES = frozenset(
    {
        *("equal_to", "not_equal_to", "matches_any_of", "does_not_match_any_of", "is_blank", "is_not_blank", "regex"),
        *("contains", "does_not_contain", "starts_with", "does_not_start_with", "less_than", "greater_than"),
        *("is_before_time", "is_after_time", "is_before_date", "is_after_date"),
    }
)
