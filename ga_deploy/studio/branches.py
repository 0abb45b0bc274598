"""The branch of each outcome: the config's steps as widgets, or a redirect to our functions.

A branch is built from its last step to its first, so every widget knows the next one. If Studio cannot express a step
(a signed notification, opening hours, SIP headers or passwords, a blind transfer, a value with a map, a hook that
decides), the functions of the direct variant run it and all later steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ga_deploy.config.steps import Hangup, Pause, Play, Say, Send
from ga_deploy.studio import widgets
from ga_deploy.studio.canvas import Canvas, safe_name
from ga_deploy.studio.connect import connect
from ga_deploy.studio.definition import PREFIX
from ga_deploy.studio.liquid import TRANSFER_RESULT, carried_query, find_variable, is_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.config.schema import Config, Outcomes, Voice, Waiting
    from ga_deploy.config.steps import Step
    from ga_deploy.studio.canvas import Cell

ENGAGE = f"{PREFIX}engage"
TRANSFER = f"{PREFIX}transfer"
OUTCOMES = ("agent", "system", "completed", "dropped", "unknown", "failed", "closed", "machine", "bypass")


@dataclass(frozen=True)
class Scope:
    """The sections for the callers of one profile; `profile` is empty for the config's own sections."""

    profile: str
    voice: Voice
    waiting: Waiting
    outcomes: Outcomes

    def name(self, rest: str) -> str:
        """Return a widget's name in this scope."""
        return f"{PREFIX}{safe_name(self.profile)}_{rest}" if self.profile else f"{PREFIX}{rest}"


class Branches(Canvas):
    """Draws the branches of all scopes side by side."""

    def __init__(self, config: Config, domain_name: str) -> None:
        super().__init__()
        self._config = config
        self._domain = domain_name
        self._entries: dict[tuple[str, str], str | None] = {}
        self.next_column = 0

    def entry(self, scope: Scope, outcome: str) -> str | None:
        """Return the first widget of an outcome's branch; None if the call ends."""
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

    def _add(self, scope: Scope, outcome: str, steps: Sequence[Step], place: Cell) -> str | None:
        if self._config.hooks.after_call is not None and outcome != "exhausted":
            # The hook may replace the steps of every outcome, and only our functions can run the steps that it returns.
            return self._run_steps(scope, outcome, 0, place)
        # As in the functions: every branch ends with `exhausted`, except a `completed` without a destination.
        goodbye = outcome == "completed" and not any(isinstance(step, Send) for step in steps)
        following = None if goodbye or outcome == "exhausted" else self._entries[(scope.profile, "exhausted")]
        column, top = place
        for index in reversed(range(len(steps))):
            row = top + sum(_height(step) for step in steps[:index])
            following = self._add_step(scope, (outcome, index), steps[index], (column, row), following)
        return following

    def _add_step(
        self, scope: Scope, at: tuple[str, int], step: Step, place: Cell, following: str | None
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
        self, scope: Scope, at: tuple[str, int], step: Send, place: Cell, following: str | None
    ) -> str | None:
        outcome, index = at
        stem, (column, row) = scope.name(f"{outcome}_{index + 1}"), place
        if step.to is not None:
            return self._send_to(stem, step.to, place, following) or self._run_steps(scope, outcome, index, place)
        variable = find_variable(step.by) if step.by else None
        choices = step.map if step.map is not None else {name: name for name in self._config.destinations}
        if variable is None or not _distinct(choices):
            return self._run_steps(scope, outcome, index, place)
        names = list(dict.fromkeys([*choices.values(), *([step.default] if step.default else [])]))
        runner: str | None = None
        targets: dict[str, str] = {}
        for number, name in enumerate(names):
            connected = self._send_to(stem, name, (column + number, row + 1), following)
            if connected is None:
                runner = runner or self._run_steps(scope, outcome, index, (column + number, row + 1))
                connected = runner
            targets[name] = connected
        value = f"{{{{{variable}}}}}"
        exits = [widgets.match(label, value, label, targets[name]) for label, name in choices.items()]
        otherwise = targets[step.default] if step.default else following
        return self.put(widgets.split(f"{stem}_route", value, exits, otherwise=otherwise), place)

    def _send_to(self, stem: str, name: str, place: Cell, following: str | None) -> str | None:
        return connect(self, stem, name, self._config.destinations[name], place, following)

    def _run_steps(self, scope: Scope, outcome: str, index: int, place: Cell) -> str:
        """Hand the call to the functions; they run the outcome's steps from `index` on."""
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


def _distinct(choices: dict[str, str]) -> bool:
    """Tell whether a Split can distinguish the values even if it ignores case and surrounding space."""
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
