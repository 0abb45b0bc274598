"""The one form in which phone numbers are taken: E.164, in ASCII."""

from __future__ import annotations

import re

# A country code never begins with 0; ITU-T E.164 allows fifteen digits in all. `[0-9]`, for `\d` takes Arabic digits.
PATTERN = r"\+[1-9][0-9]{6,14}"
_NUMBER = re.compile(PATTERN)


def is_e164(text: str) -> bool:
    """Return whether a whole text is a number in E.164 form."""
    return _NUMBER.fullmatch(text) is not None
