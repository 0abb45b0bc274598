"""The Liquid of Studio's flows, by the `python-liquid` package, with what Studio does differently.

Structures print as JSON, and `now` is the time in California (Twilio support: How do I use Liquid with Twilio Studio?).
What is not there renders to nothing, as in Liquid; a tag or filter that Liquid does not know is an error, so that
nobody takes an empty text for an answer.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from liquid import Environment, Mode
from liquid.builtin.filters.misc import date
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidError as UnreadableError
from liquid.filter import with_environment
from liquid.stringify import to_liquid_string

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liquid import BoundTemplate, RenderContext

_RAW = re.compile(r"\{%-?\s*raw")
_BRACES = re.compile(r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_PROPERTY = re.compile(
    r""""[^"]*"|'[^']*'|\.(blank|empty|nil|null|true|false|and|or|not|contains|if|else|with|for|as|in"""
    r"|offset|limit|reversed|cols|continue|required)\b"
    ""
)


class LiquidError(ValueError):
    """A template that cannot be rendered; the text says why."""


def render(template: str, variables: Mapping[str, Any]) -> str:
    """Return `template` with everything in braces replaced. Raises LiquidError."""
    if "{{" not in template and "{%" not in template:
        return template
    try:
        return _parse(template).render(**{name: _wrap(value) for name, value in variables.items()})
    except (UnreadableError, ArithmeticError, TypeError, ValueError, RecursionError) as problem:
        raise LiquidError(str(problem)) from problem


class _Record(dict[str, Any]):
    """A structure that is JSON wherever Liquid takes it for a text."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class _Rows(list[Any]):
    """A list that is JSON wherever Liquid takes it for a text."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


def _wrap(value: Any) -> Any:
    if isinstance(value, dict):
        return _Record({str(name): _wrap(one) for name, one in value.items()})
    return _Rows(map(_wrap, value)) if isinstance(value, list) else value


def _to_json(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


class _OutputNode(OutputNode):
    """An output that prints structures as JSON."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = _to_json(self.expression.evaluate(context))
        return buffer.write(to_liquid_string(value, context.autoescape))


class _Output(Output):
    node_class = _OutputNode


def _date(value: Any, form: Any = None, *, environment: Environment) -> str:
    """The filter `date`, for which it is now in California."""
    now = dt.datetime.now(_californian()).replace(tzinfo=None)
    return str(date(now if value in {"now", "today"} else value, form, environment=environment))


def _californian() -> dt.tzinfo:
    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a machine without time zones
        return dt.timezone(-dt.timedelta(hours=8))


@cache
def _environment() -> Environment:
    environment = Environment(tolerance=Mode.STRICT)
    environment.add_tag(_Output)
    environment.add_filter("date", with_environment(_date))
    return environment


@lru_cache(maxsize=1000)
def _parse(template: str) -> BoundTemplate:
    return _environment().from_string(_BRACES.sub(lambda found: _name_words(found[0]), template))


def _name_words(piece: str) -> str:
    """Let a property have the name of a word of the language (`a.blank`), which the package reads as that word."""
    if _RAW.match(piece):
        return piece
    return _PROPERTY.sub(lambda found: f'["{found[1]}"]' if found[1] else found[0], piece)
