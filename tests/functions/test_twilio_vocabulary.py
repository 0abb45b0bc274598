"""The vocabulary that every answer is held to (`conftest.VOCABULARY`), against the one that Twilio publishes.

Twilio's `twilio` package describes each element in TypeScript: the attributes as an interface, the children as methods
of its class. Ours may know less than that, never anything else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ga_deploy.twilio_rules.check import list_rows
from ga_deploy.twilio_rules.values import OneOf
from tests.functions.conftest import VOCABULARY

if TYPE_CHECKING:
    from pathlib import Path

# The package that the platform has by default is older than this noun (Twilio docs: Recording), which we write as a
# plain element.
UNKNOWN = {"Recording"}
# The class of an element where its name is not that of the element.
CLASSES = {"Response": "VoiceResponse"}


@pytest.fixture(scope="session")
def described(packages: Path) -> str:
    return (packages / "node_modules" / "twilio" / "lib" / "twiml" / "VoiceResponse.d.ts").read_text(encoding="utf-8")


def bodies(text: str, head: str) -> list[str]:
    """Return what stands between the braces after each `head`, comments left out."""
    plain = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found = []
    for match in re.finditer(rf"{head}\b[^{{]*\{{", plain):
        depth, at = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(plain[at], 0)
            at += 1
        found.append(plain[match.end() : at - 1])
    return found


@pytest.mark.parametrize("element", [name for name in VOCABULARY if name not in {"Response", "Hangup", *UNKNOWN}])
def test_twilio_knows_every_attribute(described: str, element: str) -> None:
    known = bodies(described, f"interface {element}Attributes")
    assert known, element
    attributes = {name for body in known for name in re.findall(r"^\s*'?(\w+)'?\??:", body, re.MULTILINE)}
    assert VOCABULARY[element][0] <= attributes


@pytest.mark.parametrize("element", [name for name, (_, children, _) in VOCABULARY.items() if children])
def test_twilio_knows_every_child(described: str, element: str) -> None:
    known = bodies(described, f"class {CLASSES.get(element, element)}")
    methods = {name for body in known for name in re.findall(r"^\s*(\w+)\(", body, re.MULTILINE)}
    assert {child.lower() for child in VOCABULARY[element][1] - UNKNOWN} <= methods


# The lists of words in the rule book, and the type in Twilio's package that has them. `true` and `false` are old
# spellings of Dial's record, which the types leave out; a stream under Connect takes one of the tracks.
WORDS = {
    ("Dial", "record"): "DialRecord",
    ("Dial", "recordingTrack"): "DialRecordingTrack",
    ("Dial", "trim"): "DialTrim",
    ("Dial", "recordingStatusCallbackEvent"): "DialRecordingEvent",
    ("Record", "trim"): "RecordTrim",
    ("Record", "recordingStatusCallbackEvent"): "RecordRecordingEvent",
    ("Start/Stream", "track"): "StreamTrack",
    ("Gather", "input"): "GatherInput",
    ("Reject", "reason"): "RejectReason",
}


@pytest.mark.parametrize(("element", "attribute"), WORDS)
def test_twilios_types_have_the_words_of_the_rule_book(described: str, element: str, attribute: str) -> None:
    found = re.search(rf"type {WORDS[element, attribute]} = (.+?);", described)
    assert found
    (row,) = list_rows(element, attribute)
    assert isinstance(row.value, OneOf)
    assert set(row.value.allowed) - {"true", "false"} == set(re.findall(r'"([^"]+)"', found[1]))
