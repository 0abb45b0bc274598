"""The branch of each outcome: the config's steps as widgets, the last resort being our own step runner.

A branch is made from its last step to its first, so that every widget knows where to go on. What Studio cannot say (a
signed notification, opening hours, SIP headers or passwords, a blind transfer, a value that has to be translated, a
hook that decides) is handed, with all steps after it, to the functions of the direct variant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ga_deploy.config.destinations import (
    EnqueueDestination,
    NumberDestination,
    RedirectDestination,
    SipDestination,
)
from ga_deploy.config.steps import Hangup, Pause, Play, Say, Send
from ga_deploy.studio import widgets
from ga_deploy.studio.definition import PREFIX
from ga_deploy.studio.liquid import (
    TRANSFER_RESULT,
    carried_query,
    find_variable,
    is_plain,
    write_attributes,
    write_query,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.config.destinations import Destination
    from ga_deploy.config.schema import Config, Outcomes, Voice, Waiting
    from ga_deploy.config.steps import Step
    from ga_deploy.studio.definition import State

ENGAGE = f"{PREFIX}engage"
TRANSFER = f"{PREFIX}transfer"
OUTCOMES = ("agent", "system", "completed", "dropped", "unknown", "failed", "closed", "machine", "bypass")

Place = tuple[int, int]


@dataclass(frozen=True)
class Scope:
    """What a caller of one profile goes through; `profile` is empty for the config's own sections."""

    profile: str
    voice: Voice
    waiting: Waiting
    outcomes: Outcomes

    def name(self, rest: str) -> str:
        """Return a widget's name in this scope."""
        return f"{PREFIX}{safe_name(self.profile)}_{rest}" if self.profile else f"{PREFIX}{rest}"


class Branches:
    """Collects the widgets of all branches with their places: columns to the right, rows downwards."""

    def __init__(self, config: Config, domain_name: str) -> None:
        self._config = config
        self._domain = domain_name
        self._entries: dict[tuple[str, str], str | None] = {}
        self._names: set[str] = set()
        self.placed: list[tuple[State, Place]] = []
        self.next_column = 0

    def put(self, state: State, place: Place) -> str:
        """Add a widget and return its name."""
        self._names.add(state["name"])
        self.placed.append((state, place))
        return state["name"]

    def _free_name(self, wish: str) -> str:
        """Return `wish`, or something like it where two names of the config differ only in what a name may not have."""
        name, number = wish, 2
        while name in self._names:
            name, number = f"{wish}_{number}", number + 1
        return name

    def entry(self, scope: Scope, outcome: str) -> str | None:
        """Return the first widget of an outcome's branch; None when the call simply ends."""
        return self._entries[(scope.profile, outcome)]

    def add_all(self, scope: Scope, column: int, *, top: int) -> None:
        """Add the branches of a scope side by side, from `column` on; `next_column` is free afterwards."""
        steps = {outcome: getattr(scope.outcomes, outcome) for outcome in (*OUTCOMES, "exhausted")}
        lowest = max(sum(_height(step) for step in listed) for listed in steps.values())
        width = sum(_width(listed, self._config) for outcome, listed in steps.items() if outcome != "exhausted")
        place = (column + max(0, width - 1) // 2, top + lowest + 1)
        self._entries[(scope.profile, "exhausted")] = self._add(scope, "exhausted", steps.pop("exhausted"), place)
        for outcome, listed in steps.items():
            self._entries[(scope.profile, outcome)] = self._add(scope, outcome, listed, (column, top))
            column += _width(listed, self._config)
        self.next_column = column

    def _add(self, scope: Scope, outcome: str, steps: Sequence[Step], place: Place) -> str | None:
        if self._config.hooks.after_call is not None and outcome != "exhausted":
            # The hook may replace the steps of any outcome, and only our own code can run what it returns.
            return self._run_steps(scope, outcome, 0, place)
        # As in the functions: all ends with `exhausted` but what is over by itself, like a goodbye that leads nowhere.
        goodbye = outcome == "completed" and not any(isinstance(step, Send) for step in steps)
        following = None if goodbye or outcome == "exhausted" else self._entries[(scope.profile, "exhausted")]
        column, top = place
        for index in reversed(range(len(steps))):
            row = top + sum(_height(step) for step in steps[:index])
            following = self._add_step(scope, (outcome, index), steps[index], (column, row), following)
        return following

    def _add_step(
        self, scope: Scope, at: tuple[str, int], step: Step, place: Place, following: str | None
    ) -> str | None:
        outcome, index = at
        stem = scope.name(f"{outcome}_{index + 1}")
        if isinstance(step, Hangup):
            return None
        if isinstance(step, Say) and is_plain(step.text):
            voice, language = step.voice or scope.voice.name, step.language or scope.voice.language
            return self.put(widgets.say(f"{stem}_say", step.text, voice, language, following), place)
        if isinstance(step, Play):
            return self.put(widgets.play(f"{stem}_play", step.url, following), place)
        if isinstance(step, Pause):
            return self.put(widgets.pause(f"{stem}_pause", step.seconds, following), place)
        if isinstance(step, Send):
            return self._add_send(scope, at, step, place, following)
        return self._run_steps(scope, outcome, index, place)

    def _add_send(
        self, scope: Scope, at: tuple[str, int], step: Send, place: Place, following: str | None
    ) -> str | None:
        outcome, index = at
        stem, (column, row) = scope.name(f"{outcome}_{index + 1}"), place
        if step.to is not None:
            return self._connect(stem, step.to, place, following) or self._run_steps(scope, outcome, index, place)
        variable = find_variable(step.by) if step.by else None
        choices = step.map if step.map is not None else {name: name for name in self._config.destinations}
        if variable is None or not _distinct(choices):
            return self._run_steps(scope, outcome, index, place)
        names = list(dict.fromkeys([*choices.values(), *([step.default] if step.default else [])]))
        runner: str | None = None
        targets: dict[str, str] = {}
        for number, name in enumerate(names):
            connected = self._connect(stem, name, (column + number, row + 1), following)
            if connected is None:
                runner = runner or self._run_steps(scope, outcome, index, (column + number, row + 1))
                connected = runner
            targets[name] = connected
        value = f"{{{{{variable}}}}}"
        exits = [widgets.match(label, value, label, targets[name]) for label, name in choices.items()]
        otherwise = targets[step.default] if step.default else following
        return self.put(widgets.split(f"{stem}_route", value, exits, otherwise=otherwise), place)

    def _connect(self, stem: str, destination: str, place: Place, following: str | None) -> str | None:
        """Add the widgets that send a call to `destination`, or nothing (None) when Studio has none for it."""
        target = self._config.destinations[destination]
        name, (column, row) = self._free_name(f"{stem}_to_{safe_name(destination)}"), place
        if target.hours is not None:
            return None
        if isinstance(target, EnqueueDestination):
            queue = _queue(destination, target)
            return self.put(widgets.enqueue(name, queue, following), place) if queue is not None else None
        if isinstance(target, RedirectDestination):
            query = write_query(target.params)
            if query is None or not is_plain(target.redirect):
                return None
            url = f"{target.redirect}{'&' if '?' in target.redirect else '?'}{query}" if query else target.redirect
            return self.put(widgets.redirect(name, url, {"fail": following}, timeout=widgets.NEVER_RETURNS), place)
        properties = _dial(target)
        if properties is None:
            return None
        status = f"{{{{widgets.{name}.DialCallStatus}}}}"
        # No end of a dialled leg is certain but these two; with anything else the caller still needs somebody.
        answered = widgets.match("was connected", status, "completed,answered", None, kind="matches_any_of")
        judged = self.put(
            widgets.split(
                self._free_name(f"{stem}_status_{safe_name(destination)}"), status, [answered], otherwise=following
            ),
            (column, row + 1),
        )
        return self.put(widgets.connect(name, properties, judged), place)

    def _run_steps(self, scope: Scope, outcome: str, index: int, place: Place) -> str:
        """Hand the call to the functions, which take the outcome's steps from `index` on."""
        query = "&".join(
            [
                f"transfer={{{{{TRANSFER_RESULT}.transferId | url_encode}}}}",
                f"outcome={outcome}",
                f"step={index}",
                f"profile={quote(scope.profile, safe='')}",
                *carried_query(self._config),
            ]
        )
        url = f"https://{self._domain}{self._config.functions.call_complete.path}?{query}"
        name = scope.name(f"{outcome}_{index + 1}_steps")
        sorry = None if outcome == "exhausted" else self._entries[(scope.profile, "exhausted")]
        return self.put(widgets.redirect(name, url, {"fail": sorry}, timeout=widgets.NEVER_RETURNS), place)


def safe_name(text: str) -> str:
    """Return `text` with only what may stand in a widget's name (letters, digits, `_` and `-`)."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


def _queue(name: str, target: EnqueueDestination) -> dict[str, object] | None:
    """Return the properties of the widget that queues a call; None when only our own code can write them."""
    queue = target.enqueue
    texts = (queue.queue or "", queue.wait_url or "")
    attributes = write_attributes(name, queue.attributes) if queue.workflow_sid else None
    if not all(is_plain(text) for text in texts) or (queue.workflow_sid and attributes is None):
        return None
    properties = {
        "queue_name": queue.queue,
        "workflow_sid": queue.workflow_sid,
        "task_attributes": attributes,
        "priority": queue.priority,
        "timeout": queue.timeout,
        "wait_url": queue.wait_url,
    }
    return {key: value for key, value in properties.items() if value is not None}


def _dial(target: Destination) -> dict[str, object] | None:
    # The widget knows neither time_limit nor answer_on_bridge, and of recording only yes and no.
    if isinstance(target, (NumberDestination, SipDestination)) and (
        target.answer_on_bridge or target.time_limit is not None or target.record != "do-not-record"
    ):
        return None
    if isinstance(target, NumberDestination):
        return {
            "noun": "number",
            "to": target.number,
            "caller_id": _caller_id(target.caller_id),
            "timeout": target.timeout,
        }
    # A password would stand in the definition for everybody who can read the flow.
    if isinstance(target, SipDestination) and not target.headers and target.password is None:
        endpoint = {"noun": "sip", "sip_endpoint": target.sip, "caller_id": _caller_id(target.caller_id)}
        return {**endpoint, "timeout": target.timeout} if is_plain(target.sip) else None
    return None


def _caller_id(rule: str) -> str:
    if rule == "called":
        return "{{trigger.call.To}}"
    # call-transfer knows withheld numbers and SIP callers, whose own number cannot be shown.
    return f"{{{{{TRANSFER_RESULT}.callerId.caller | default: trigger.call.To}}}}" if rule == "caller" else rule


def _distinct(choices: dict[str, str]) -> bool:
    """Tell whether a Split can tell the values apart even if it should ignore case and surrounding space."""
    folded = [value.strip().casefold() for value in choices]
    return all(folded) and len(set(folded)) == len(folded) and all(is_plain(value) for value in choices)


def _height(step: Step) -> int:
    return 1 if not isinstance(step, Send) else 2 if step.to is not None else 3


def _width(steps: Sequence[Step], config: Config) -> int:
    def alternatives(step: Step) -> int:
        if not isinstance(step, Send) or step.to is not None:
            return 1
        return max(1, len(step.targets if step.targets is not None else config.destinations))

    return max((alternatives(step) for step in steps), default=1)
