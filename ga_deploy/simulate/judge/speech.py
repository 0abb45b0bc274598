"""What was read aloud, judged: markup, values that a program left behind, and sentences that come again and again."""

from __future__ import annotations

import re
from collections import Counter
from math import ceil
from typing import TYPE_CHECKING

from ga_deploy.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.simulate.interpreter.record import CallRecord
    from ga_deploy.simulate.judge.expected import ProfileBehaviour, Step

# Never meant to be heard, whoever wrote it.
_MARKUP = re.compile(
    r"</?[A-Za-z!][^>]*>|&(?:lt|gt|amp|quot|apos|nbsp|#\d+|#x[0-9A-Fa-f]+);|\{\{|\}\}|\$\{|\[object \w+\]|<%|%>"
)
# What a program says when it has nothing to say, or says too much. A config may mean these words.
_LEFT_BEHIND = re.compile(
    r"\b(?:undefined|null|NaN|None|nil)\b"
    r"|\{\s*\"|\"\s*:\s*[\"\[{\d]"  # JSON
    r"|\b\w*(?:Error|Exception):|\bat \S+\(\S*:\d+:\d+\)"  # an exception, a line of its stack
    r"|\bhttps?://\S"
)
# A sentence may be said again, to a caller who is tried elsewhere; three times is a loop.
_OFTEN = 3


def judge_speech(record: CallRecord, behaviour: ProfileBehaviour) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the speech outside the streams: the check and the finding, in words."""
    meant = Counter(_plain(step.text) for step in (*behaviour.greeting, *_list_steps(behaviour)) if step.kind == "say")
    # Said between two looks at a result, each of which takes two seconds or so; once again on every new stream.
    turns = ceil(behaviour.waiting_seconds / 2) * (behaviour.reconnects + 1)
    meant.update({_plain(step.text): turns for step in behaviour.waiting if step.kind == "say"})
    for event in record.of("say", "whisper"):
        text = str(event.detail.get("text", ""))
        if _MARKUP.search(text):
            yield "markup", f"markup was read aloud: {redact(text)[:80]!r}"
        elif event.detail.get("plain_text"):
            yield "markup", f"a plain-text answer was read aloud: {redact(text)[:80]!r}"
        elif _plain(text) not in meant and (left := _LEFT_BEHIND.search(text)):
            yield "markup", f"{left[0].strip()!r} was read aloud: {redact(text)[:80]!r}"
        if event.detail.get("loops", 1) >= _OFTEN:
            yield "repeats", f"{redact(text)[:80]!r} was said {event.detail['loops']} times on end"
    said = Counter(_plain(text) for text in record.said if text)
    for text, times in said.items():
        if times >= max(_OFTEN, meant[text] + 1):
            yield "repeats", f"{redact(text)[:80]!r} was said {times} times"


def _list_steps(behaviour: ProfileBehaviour) -> Iterator[Step]:
    for steps in behaviour.outcomes.values():
        yield from steps


def _plain(text: str) -> str:
    return " ".join(text.split())
