"""One check says what a phone number is, and every place that takes one asks it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ga_deploy.config.addresses import check_phone_number
from ga_deploy.invocation.phone_number_args import judge_number
from ga_deploy.twilio_rules.e164 import is_e164

PACKAGE = Path(__file__).parents[3] / "ga_deploy"


@pytest.mark.parametrize("text", ["+15550100000", "+4930123", "+883510000000000"])
def test_what_is_a_number(text: str) -> None:
    assert is_e164(text)
    assert check_phone_number(text) == text
    assert judge_number(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "15550100000",
        "+05550100000",
        "+123456",
        "+1234567890123456",
        "+15550100000\n",
        "+1٥٥٥٠١٠٠٠٠٠",
        "+１５５５０１０００００",
    ],
    ids=ascii,
)
def test_what_is_none_is_none_anywhere(text: str) -> None:
    assert not is_e164(text)
    with pytest.raises(Exception, match=r"E\.164"):
        check_phone_number(text)
    assert judge_number(text) is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("+1555010", "too short for the country code +1"),
        ("+155501000000", "too long for the country code +1"),
        ("+99912345678", "no country has a code like that"),
        ("+491234567890123", ""),
        ("+33123456", "too short"),
    ],
)
def test_a_number_that_cannot_exist_is_none_anywhere(text: str, why: str) -> None:
    assert is_e164(text)
    if not why:
        assert check_phone_number(text) == text
        return
    with pytest.raises(Exception, match="is not a phone number") as raised:
        check_phone_number(text)
    assert why in raised.value.context["why"]  # type: ignore[attr-defined]
    judged = judge_number(text)
    assert judged is not None
    assert why in judged[0]


def test_no_other_file_has_a_pattern_of_its_own() -> None:
    having = [path.name for path in PACKAGE.rglob("*.py") if re.search(r"\\\+\[1-9\](?:\\d|\[0-9\])", path.read_text())]
    assert having == ["e164.py"]
