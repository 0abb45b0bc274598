"""Opening hours of a destination or of the agent."""

from __future__ import annotations

import re
import zoneinfo
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from ga_deploy.config.references import Referenced
from ga_deploy.config.scalars import check_each, finding, show
from ga_deploy.config.values import Strict

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MIDNIGHT = 24 * 60
_RANGE = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")


@cache
def _known_timezones() -> frozenset[str]:
    """Return the IANA names; empty if the system has no time zone database."""
    return frozenset(zoneinfo.available_timezones())


def _timezone(value: Any) -> Any:
    if isinstance(value, Referenced) and value.stand_in:
        return "UTC"
    known = _known_timezones()
    if isinstance(value, str) and (
        value not in known if known else not re.fullmatch(r"[A-Za-z]+(/[A-Za-z0-9_+\-]+)*", value)
    ):
        near = get_close_matches(value, sorted(known), n=1, cutoff=0.5)
        raise finding(
            f"{show(value)} is not a time zone",
            "time zones have IANA names",
            f"did you mean {near[0]}?" if near else "write for example America/New_York",
        )
    return value


def _ranges(value: Any) -> Any:
    """Accept one range or a list of ranges `HH:MM-HH:MM`; it goes past midnight if the end is not after the start."""
    if not isinstance(value, (list, tuple)):
        return (_range(value),)
    if not value:
        raise finding(
            "a day has an empty list of hours",
            "the list is empty",
            "remove the day: days that are not listed are closed",
        )
    ranges, errors = [], []
    for index, one in enumerate(value):
        try:
            ranges.append(_range(one))
        except PydanticCustomError as error:
            errors.append(InitErrorDetails(type=error, loc=(index,), input=one))
    if errors:
        raise ValidationError.from_exception_data("hours", errors)
    return tuple(ranges)


def _range(value: Any) -> str:
    if isinstance(value, Referenced) and value.stand_in:
        return "00:00-24:00"
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    start, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (-1, -1)
    if not match or start >= _MIDNIGHT or end > _MIDNIGHT:
        raise finding(
            f"{show(value)} is not a range of hours",
            "it has to be HH:MM-HH:MM, at most 24:00",
            'write it like "09:00-17:30" or, overnight, "18:00-08:00"',
        )
    if start == end:
        raise finding(
            f"{show(value)} is an empty range", "start and end are the same", 'write "00:00-24:00" for the whole day'
        )
    return str(value)


def _days(value: Any) -> Any:
    seen: dict[str, str] = {}

    def check(key: str, ranges: Any) -> Any:
        for day in days_of(key):
            if day in seen:
                raise finding(
                    f"`{day}` has hours twice",
                    f"it is in `{seen[day]}` and in `{key}`",
                    "list each day once; a day may have a list of ranges",
                    at_key=True,
                )
            seen[day] = key
        return ranges

    return check_each(value, check)


def days_of(key: str) -> tuple[str, ...]:
    """Return the days of `mon`, `mon-fri` or `sat-mon` (through the end of the week); raises a finding otherwise."""
    first, dash, last = key.strip().lower().partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise finding(
            f"`{key}` is not a day",
            "days are " + ", ".join(DAYS) + ", or a range of them",
            "write for example mon-fri",
            at_key=True,
        )
    start, end = DAYS.index(first), DAYS.index(last) if dash else DAYS.index(first)
    count = (end - start) % 7 + 1
    return tuple(DAYS[(start + step) % 7] for step in range(count))


def _closed_date(value: Any) -> Any:
    if isinstance(value, Referenced) and value.stand_in:
        return "2000-01-01"
    problem = finding(f"{show(value)} is not a date", "closed days are dates", 'write them like "2026-12-25"')
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9][0-9]-[0-9][0-9]", value):
        raise problem
    try:
        date.fromisoformat(value)
    except ValueError:
        raise problem from None
    return str(value)


_RANGE_SCHEMA = {"type": "string", "pattern": r"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$"}
Ranges = Annotated[
    tuple[str, ...],
    BeforeValidator(_ranges),
    WithJsonSchema({"anyOf": [_RANGE_SCHEMA, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class Hours(Strict):
    """Opening hours. Days that are not listed are closed; a date in `closed` is closed all day."""

    timezone: Annotated[str, BeforeValidator(_timezone)] = Field(description="IANA name, e.g. America/New_York")
    open: Annotated[dict[str, Ranges], BeforeValidator(_days)] = Field(
        description='by day (mon) or days (mon-fri): "09:00-17:30", a list of such, or overnight "18:00-08:00"',
        min_length=1,
    )
    closed: tuple[Annotated[str, BeforeValidator(_closed_date)], ...] = Field(
        (), description='dates such as "2026-12-25"'
    )

    def week(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """Return for each of `DAYS` the spans that begin on it, in minutes from midnight.

        A span that goes past midnight ends beyond 1440: 18:00-08:00 is (1080, 1920).
        """
        spans: dict[str, tuple[tuple[int, int], ...]] = dict.fromkeys(DAYS, ())
        for key, ranges in self.open.items():
            for day in days_of(key):
                spans[day] = tuple(_minutes(one) for one in ranges)
        return spans


def _minutes(text: str) -> tuple[int, int]:
    start, _, end = text.partition("-")
    begin, finish = (int(clock[:2]) * 60 + int(clock[3:]) for clock in (start, end))
    return begin, finish if finish > begin else finish + 1440
