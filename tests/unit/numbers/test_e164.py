"""One check says what a phone number is, and every place that takes one asks it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ga_deploy.config.addresses import check_phone_number
from ga_deploy.invocation.phone_number_args import judge_number
from ga_deploy.twilio_rules.e164 import is_e164

PACKAGE = Path(__file__).parents[3] / "ga_deploy"


@pytest.mark.parametrize("text", ["+15550100000", "+1234567", "+123456789012345"])
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


def test_no_other_file_has_a_pattern_of_its_own() -> None:
    having = [path.name for path in PACKAGE.rglob("*.py") if re.search(r"\\\+\[1-9\](?:\\d|\[0-9\])", path.read_text())]
    assert having == ["e164.py"]
