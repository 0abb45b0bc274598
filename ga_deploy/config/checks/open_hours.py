"""Checks of opening hours: times of the week at which all destinations of an outcome are closed."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ga_deploy.config.checks.outcomes import all_outcomes
from ga_deploy.config.explain import place_of
from ga_deploy.config.hours import DAYS
from ga_deploy.config.schema import Outcomes
from ga_deploy.config.steps import Send
from ga_deploy.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ga_deploy.config.hours import Hours
    from ga_deploy.config.schema import Language, Step
    from ga_deploy.yaml_tree.tree import Section

_DAY = 24 * 60
_WEEK = 7 * _DAY

# Two zones may change their clocks in different weeks, so one week in winter and one in summer are checked.
_MONDAYS = (datetime(2026, 1, 12), datetime(2026, 7, 13))  # noqa: DTZ001 - a local date, given its zone where it is used

_Minutes = frozenset[int]
_ALWAYS: _Minutes = frozenset(range(_WEEK))


def check_open_hours(language: Language, root: Section) -> Iterator[Finding]:
    """Yield a warning for each outcome with minutes in the week at which all its destinations are closed.

    There is no warning if steps follow the last destination: they are for these minutes. Only the minutes count at
    which a call can have the outcome: with `hours`, when calls go to the agent. Holidays (`closed`) do not count.
    """
    for keys, outcomes in all_outcomes(language):
        own = language.profiles[str(keys[1])].hours if keys[0] == "profiles" else language.hours
        for name in Outcomes.model_fields:
            gap = _find_gap(getattr(outcomes, name), name, own, language)
            if gap:
                yield Finding(
                    f"`outcomes.{name}` has times at which all its destinations are closed",
                    f"{gap}: callers then get the steps of `exhausted`",
                    "extend the `hours` of a destination, or add steps after the last `send`",
                    place_of(root, (*keys, name)),
                    "warning",
                )


def _find_gap(steps: Sequence[Step], name: str, own: Hours | None, language: Language) -> str:
    """Return the first closed span in words; empty if there is none."""
    sends = [index for index, step in enumerate(steps) if isinstance(step, Send)]
    if not sends or sends[-1] != len(steps) - 1:
        return ""
    targets: dict[str, Hours] = {}
    for step in steps:
        for target in (step.targets or tuple(language.destinations)) if isinstance(step, Send) else ():
            destination = language.destinations.get(target)
            if destination is None or destination.hours is None:
                return ""
            targets[target] = destination.hours
    hours = list(targets.values())
    if not hours:
        return ""
    for monday in _MONDAYS:
        zone = hours[0].timezone
        agent = open_minutes(own, zone, monday) if own else _ALWAYS
        needed = {"closed": _ALWAYS - agent, "machine": _ALWAYS, "exhausted": _ALWAYS}.get(name, agent)
        missing = needed.difference(*(open_minutes(one, zone, monday) for one in hours))
        if missing:
            return _in_words(missing, zone)
    return ""


def open_minutes(hours: Hours, zone: str, monday: datetime) -> _Minutes:
    """Return the minutes of the week from `monday` on, by the clock of `zone`, in which `hours` are open."""
    shift = 0 if hours.timezone == zone else _offset(zone, monday) - _offset(hours.timezone, monday)
    return frozenset(
        (DAYS.index(day) * _DAY + minute + shift) % _WEEK
        for day, spans in hours.week().items()
        for start, end in spans
        for minute in range(start, end)
    )


def _offset(zone: str, monday: datetime) -> int:
    """Return a zone's minutes ahead of UTC in that week; 0 if the system has no time zone database."""
    try:
        ahead = monday.replace(tzinfo=zoneinfo.ZoneInfo(zone)).utcoffset()
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        ahead = None
    return (ahead or timedelta()) // timedelta(minutes=1)


def _in_words(missing: set[int] | _Minutes, zone: str) -> str:
    """Return the first span of minutes in words, and how many more there are."""
    starts = sorted(minute for minute in missing if (minute - 1) % _WEEK not in missing)
    if not starts:
        return "all are closed at all times"
    end = starts[0]
    while end % _WEEK in missing:
        end += 1
    others = len(starts) - 1
    more = f", and {others} more time{'s' if others > 1 else ''} in the week" if others else ""
    return f"all are closed from {_clock(starts[0])} to {_clock(end % _WEEK)} ({zone}){more}"


def _clock(minute: int) -> str:
    return f"{DAYS[minute // _DAY]} {minute % _DAY // 60:02d}:{minute % 60:02d}"
