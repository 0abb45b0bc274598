"""The conditions of Studio's Split Based On widget.

Texts are compared without case and without surrounding space (not documented; see docs/unverified.md).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CONDITION_TYPES = (
    "equal_to",
    "not_equal_to",
    "matches_any_of",
    "does_not_match_any_of",
    "is_blank",
    "is_not_blank",
    "regex",
    "contains",
    "does_not_contain",
    "starts_with",
    "does_not_start_with",
    "less_than",
    "greater_than",
    "is_before_time",
    "is_after_time",
    "is_before_date",
    "is_after_date",
)


def holds(kind: str, found: str, value: str, now: float) -> bool:
    """Tell whether what was `found` satisfies a condition of type `kind`; a type that does not exist never holds.

    Times are HH:MM, dates YYYY-MM-DD, both read as UTC; with nothing found, `now` (seconds since 1970) is judged.
    """
    if kind.startswith(("does_not_", "not_", "is_not_")):
        return not holds(_POSITIVE[kind], found, value, now)
    compare = _COMPARISONS.get(kind)
    return compare is not None and compare(found, value, now)


def _fold(text: str) -> str:
    return text.strip().casefold()


def _any_of(found: str, value: str) -> bool:
    return _fold(found) in {_fold(one) for one in value.split(",")}


def _regex(found: str, value: str) -> bool:
    try:
        return re.fullmatch(value, found.strip(), re.IGNORECASE) is not None
    except re.error:
        return False


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_less(found: str, value: str) -> bool:
    left, right = _number(found), _number(value)
    return left is not None and right is not None and left < right


def _moment(text: str, pattern: str) -> Any:
    try:
        return datetime.strptime(text.strip(), pattern).replace(tzinfo=UTC)
    except ValueError:
        return None


def _is_before(found: str, value: str, now: float, pattern: str) -> bool:
    present = datetime.fromtimestamp(now, UTC).strftime(pattern)
    left, right = _moment(found or present, pattern), _moment(value, pattern)
    return left is not None and right is not None and left < right


_POSITIVE = {
    "not_equal_to": "equal_to",
    "does_not_match_any_of": "matches_any_of",
    "is_not_blank": "is_blank",
    "does_not_contain": "contains",
    "does_not_start_with": "starts_with",
}
_COMPARISONS: dict[str, Callable[[str, str, float], bool]] = {
    "equal_to": lambda found, value, now: _fold(found) == _fold(value),
    "matches_any_of": lambda found, value, now: _any_of(found, value),
    "is_blank": lambda found, value, now: not found.strip(),
    "regex": lambda found, value, now: _regex(found, value),
    "contains": lambda found, value, now: _fold(value) in _fold(found),
    "starts_with": lambda found, value, now: _fold(found).startswith(_fold(value)),
    "less_than": lambda found, value, now: _is_less(found, value),
    "greater_than": lambda found, value, now: _is_less(value, found),
    "is_before_time": lambda found, value, now: _is_before(found, value, now, "%H:%M"),
    "is_after_time": lambda found, value, now: _is_before(value, found or _clock(now), now, "%H:%M"),
    "is_before_date": lambda found, value, now: _is_before(found, value, now, "%Y-%m-%d"),
    "is_after_date": lambda found, value, now: _is_before(value, found or _day(now), now, "%Y-%m-%d"),
}


def _clock(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%H:%M")


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
