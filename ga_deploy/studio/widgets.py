"""One function for each kind of Studio widget that ga-deploy makes.

Property and event names: Twilio docs, Widget Library, and the JSON schemas of the widgets. Every exit that a widget has
is listed, connected or not, as the Console does: a widget with a missing exit cannot be connected by hand later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.studio.definition import Condition, State, Transition

# Twilio docs, TwiML Redirect widget: seconds that the widget waits for the call to come back; 0 when it never will.
NEVER_RETURNS = "0"
LONGEST_CALL = "14400"


def exit_to(event: str, target: str | None) -> Transition:
    """Return an exit; without a target the call ends there."""
    return {"event": event, "next": target} if target else {"event": event}


def match(label: str, argument: str, value: str, target: str | None, *, kind: str = "equal_to") -> Transition:
    """Return the exit of a split taken when `argument` compares with `value`; the Console shows `label`."""
    condition: Condition = {"friendly_name": label, "type": kind, "value": value, "arguments": [argument]}
    transition = exit_to("match", target)
    transition["conditions"] = [condition]
    return transition


def trigger(target: str) -> State:
    """Start of a flow: an incoming call goes to `target`, messages and API requests nowhere."""
    events = ("incomingMessage", "incomingCall", "incomingConversationMessage", "incomingRequest", "incomingParent")
    exits = [exit_to(event, target if event == "incomingCall" else None) for event in events]
    return _widget("Trigger", "trigger", {}, exits)


def redirect(name: str, url: str, exits: Mapping[str, str | None], *, timeout: str) -> State:
    """Hand the call to TwiML at `url`; `exits` for `return`, `timeout` and `fail`."""
    listed = [exit_to(event, exits.get(event)) for event in ("return", "timeout", "fail")]
    return _widget(name, "add-twiml-redirect", {"url": url, "method": "POST", "timeout": timeout}, listed)


def run_function(
    name: str, url: str, sids: Mapping[str, str], parameters: Mapping[str, str], *, success: str, fail: str | None
) -> State:
    """Call a function of ours; `sids` has service_sid, environment_sid and function_sid, for the Console's picker."""
    listed = [{"key": key, "value": value} for key, value in parameters.items()]
    return _widget(
        name,
        "run-function",
        {**sids, "url": url, "parameters": listed},
        [exit_to("success", success), exit_to("fail", fail)],
    )


def split(name: str, value: str, matches: Sequence[Transition], *, otherwise: str | None) -> State:
    """Branch on `value`; the first of `matches` that holds is taken."""
    return _widget(name, "split-based-on", {"input": value}, [exit_to("noMatch", otherwise), *matches])


def say(name: str, text: str, voice: str, language: str, then: str | None) -> State:
    """Speak."""
    properties = {"say": text, "voice": voice, "language": language, "loop": 1}
    return _widget(name, "say-play", properties, [exit_to("audioComplete", then)])


def play(name: str, url: str, then: str | None) -> State:
    """Play a recording once."""
    return _widget(name, "say-play", {"play": url, "loop": 1}, [exit_to("audioComplete", then)])


def pause(name: str, seconds: int, then: str | None) -> State:
    """Be silent: no widget does that, but each `w` among digits to play lasts half a second (Twilio docs: Play)."""
    return _widget(name, "say-play", {"digits": "ww" * seconds}, [exit_to("audioComplete", then)])


def connect(name: str, properties: Mapping[str, object], completed: str | None) -> State:
    """Dial; `completed` is next when the dialled leg is over, however it went."""
    exits = [exit_to("callCompleted", completed), exit_to("hangup", None)]
    return _widget(name, "connect-call-to", {**properties, "record": False}, exits)


def enqueue(name: str, queue: Mapping[str, object], failed: str | None) -> State:
    """Queue the call: `queue` has the widget's own properties, e.g. `queue_name`, or `workflow_sid` and its task's."""
    exits = [exit_to("callComplete", None), exit_to("failedToEnqueue", failed), exit_to("callFailure", failed)]
    return _widget(name, "enqueue-call", queue, exits)


def _widget(name: str, kind: str, properties: Mapping[str, object], transitions: Sequence[Transition]) -> State:
    return cast(
        "State",
        {
            "name": name,
            "type": kind,
            "transitions": list(transitions),
            "properties": {"offset": {"x": 0, "y": 0}, **properties},
        },
    )
