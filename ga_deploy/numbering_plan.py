"""Facts about phone numbers from the world's numbering plans: which numbers can exist, which cost a premium.

The plans are those of Google's libphonenumber (package `phonenumberslite`). It is imported when the first number is
checked: a run without numbers does not pay for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


def find_impossible(number: str) -> str:
    """Return why no phone number like `number` (E.164) can exist; empty if one can.

    This checks the country code and the length, not the range: the numbers that are reserved for examples are possible.
    """
    from phonenumbers import ValidationResult, is_possible_number_with_reason

    parsed = _parse(number)
    if parsed is None:
        return "no country has a code like that"
    country = f"+{parsed.country_code}"
    return {
        ValidationResult.INVALID_COUNTRY_CODE: "no country has a code like that",
        ValidationResult.TOO_SHORT: f"it is too short for the country code {country}",
        ValidationResult.TOO_LONG: f"it is too long for the country code {country}",
        ValidationResult.INVALID_LENGTH: f"no number with the country code {country} has its length",
    }.get(is_possible_number_with_reason(parsed), "")


def is_premium_rate(number: str) -> bool:
    """Return whether the caller of `number` (E.164) pays a premium, such as for +1 900 numbers."""
    from phonenumbers import PhoneNumberType, number_type

    parsed = _parse(number)
    return parsed is not None and number_type(parsed) == PhoneNumberType.PREMIUM_RATE


@lru_cache(maxsize=1024)
def _parse(number: str) -> PhoneNumber | None:
    from phonenumbers import NumberParseException, parse

    try:
        return parse(number, None)
    except NumberParseException:
        return None
