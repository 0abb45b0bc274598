"""Whether a caller went through the steps that the config lists for an ending, and through nothing else.

A second, independent reading of the config's outcomes: what was said and who was tried is compared with
the steps in order. A destination with opening hours may be left out, as the time of day is not simulated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.simulate.judge.handover import find_receiver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.simulate.interpreter.record import CallRecord
    from ga_deploy.simulate.judge.expected import Deployment, ProfileBehaviour, Step


@dataclass(frozen=True)
class Observation:
    """One thing a caller went through.

    `say` or `play` with its text, `pause`, or `route` with whom and how it went.
    """

    kind: str
    text: str = ""
    route_kind: str = ""
    result: str = ""

    def __str__(self) -> str:
        if self.kind == "route":
            return f"{self.route_kind} {self.text} ({self.result})"
        return f"{self.kind} {self.text!r}" if self.text else self.kind


def list_observations(record: CallRecord, since: float, *, until: float = float("inf")) -> tuple[Observation, ...]:
    """Return what the caller went through from `since` up to `until`, streams and ringing left out."""
    found: list[tuple[float, Observation]] = []
    for event in record.events:
        if not since <= event.at < until:
            continue
        if event.kind == "say":
            found.append((event.at, Observation("say", same_spaces(str(event.detail.get("text", ""))))))
        elif event.kind == "play":
            found.append((event.at, Observation("play", str(event.detail.get("url", event.label)))))
        elif event.kind == "pause":
            found.append((event.at, Observation("pause")))
    found += [
        (route.at, Observation("route", route.address, route.kind, route.result))
        for route in record.routes
        if since <= route.at < until
    ]
    return tuple(happened for _, happened in sorted(found, key=lambda pair: pair[0]))


def compare(
    outcome: str,
    happened: Sequence[Observation],
    deployment: Deployment,
    behaviour: ProfileBehaviour,
    facts: Mapping[str, str],
    *,
    all_closed: bool = False,
) -> str:
    """Return what differs from the steps of `outcome`, in words; empty when nothing does.

    `facts` holds the call's fields, the query and the conversation's result under the names that configs
    use, as far as they are known. `all_closed`: every destination is outside its hours.
    """
    course = ExpectedSteps(list(happened), deployment, facts, all_closed=all_closed)
    steps = behaviour.outcomes.get(outcome, ())
    course.skip_waiting(behaviour, steps)
    done = course.follow(steps, f"`{outcome}`")
    # A goodbye that was to lead nowhere is the end; whoever was to be sent somewhere hears that it did not work.
    final = outcome in {"exhausted", "fallback"} or (
        outcome == "completed" and not any(step.kind == "send" for step in steps)
    )
    if not done and not course.problem and not final:
        course.follow(behaviour.outcomes.get("exhausted", ()), "`exhausted`")
    return course.problem or course.leftover() or course.compare_notices() or course.compare_texts()


class ExpectedSteps:
    """Follows the config's steps through what a caller went through, from the first observation to the last."""

    def __init__(
        self, happened: list[Observation], deployment: Deployment, facts: Mapping[str, str], *, all_closed: bool
    ) -> None:
        self._happened = happened
        self._deployment = deployment
        self._facts = facts
        self._all_closed = all_closed
        self._notices: list[str] = []
        self._texts: list[tuple[str, str]] = []
        self.problem = ""

    def skip_waiting(self, behaviour: ProfileBehaviour, steps: Sequence[Step]) -> None:
        """Drop what was heard while a late result was awaited."""
        wanted = steps[0] if steps else None
        heard = {Observation("pause"), *(Observation(step.kind, same_spaces(step.text)) for step in behaviour.waiting)}
        if wanted is not None:
            heard.discard(Observation(wanted.kind, same_spaces(wanted.text)))
        while self._happened and self._happened[0] in heard:
            self._happened.pop(0)

    def follow(self, steps: Sequence[Step], name: str) -> bool:
        """Take off what the steps account for; True when the call is meant to be over then."""
        for number, step in enumerate(steps, 1):
            where = f"step {number} of {name}"
            if step.kind == "hangup":
                return True
            if step.kind == "send":
                if self._send(step, where):
                    return True
            elif step.kind == "notify":
                self._notices.append(step.text)
            elif step.kind == "sms":
                self._texts.append((find_receiver(step, self._deployment, self._facts), step.text))
            else:
                self._take(step, where)
            if self.problem:
                return True
        return False

    def leftover(self) -> str:
        """Say what the caller went through that no step accounts for."""
        return f"not in the config's steps: {self._happened[0]}" if self._happened else ""

    def compare_notices(self) -> str:
        """Say which web hook was not told, or told too often; nothing when nobody watched them."""
        if "notified" not in self._facts:
            return ""
        told = sorted(self._facts["notified"].split())
        return "" if told == sorted(self._notices) else f"notified {told}, not {sorted(self._notices)}"

    def compare_texts(self) -> str:
        """Say which text message was not sent, or to somebody else; nothing when nobody watched them.

        A webhook that Twilio repeats sends its texts again: how often is not compared.
        """
        if "texted" not in self._facts:
            return ""
        told = sorted({(text["to"], text["body"]) for text in json.loads(self._facts["texted"])})
        wanted = sorted({(to, text) for to, text in self._texts if to})
        return "" if told == wanted else f"the text messages {told} were sent, not {wanted}"

    def _take(self, step: Step, where: str) -> None:
        wanted = Observation(step.kind, "" if step.kind == "pause" else same_spaces(step.text))
        if self._happened and self._happened[0] == wanted:
            self._happened.pop(0)
            return
        came = f"instead: {self._happened[0]}" if self._happened else "nothing came"
        self.problem = f"{where} ({wanted}) is missing; {came}"

    def _send(self, step: Step, where: str) -> bool:
        destination = self._deployment.choose(step, self._facts)
        if destination is None or self._all_closed:
            return False
        said = Observation("say", same_spaces(destination.says))
        behind = 1 if destination.says and self._happened[:1] == [said] else 0
        first = self._happened[behind] if len(self._happened) > behind else None
        if first and first.kind == "route" and destination.is_meant_by(first.route_kind, first.text):
            del self._happened[: behind + 1]
            if destination.notifies and first.result == "answered":
                self._notices.append(destination.notifies)
            return first.result == "answered"
        if not destination.limited:
            came = f"instead: {first}" if first else "nothing came"
            self.problem = f"{where} (send to `{destination.name}`, {destination.address}) is missing; {came}"
        return False


def same_spaces(text: str) -> str:
    """Return `text` with one space for any white space, as two texts are compared."""
    return " ".join(text.split())
