"""The filters of Liquid that Studio flows use, and how Liquid sees values."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Callable


class _Blank:
    """The value of `blank` and `empty`."""


BLANK = _Blank()


def look_up(value: Any, key: Any) -> Any:
    """Return what `key` names in a structure; `size`, `first` and `last` too."""
    if isinstance(value, dict):
        return value.get(str(key), len(value) if key == "size" else None)
    if isinstance(value, list | str) and key == "size":
        return len(value)
    if isinstance(value, list):
        if key in {"first", "last"}:
            return value[0 if key == "first" else -1] if value else None
        if isinstance(key, int) and -len(value) <= key < len(value):
            return value[key]
    return None


def to_text(value: Any) -> str:
    """Return a value as Liquid prints it: nothing for nil, `true` and `false` in small letters, JSON for structures."""
    if value is None or value is BLANK:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _number(value: Any) -> int | float:
    text = to_text(value).strip()
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d+\.\d+", text) else 0


def _default(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None or value is False or value in ("", [], {}) else value


def _divide(value: Any, by: Any) -> int | float:
    left, right = _number(value), _number(by)
    return left // right if isinstance(left, int) and isinstance(right, int) else left / right


def _slice(value: Any, start: int, length: int = 1) -> str:
    text = to_text(value)
    begin = start if start >= 0 else max(0, len(text) + start)
    return text[begin : begin + length]


FILTERS: dict[str, Callable[..., Any]] = {
    "append": lambda value, more: to_text(value) + to_text(more),
    "capitalize": lambda value: to_text(value)[:1].upper() + to_text(value)[1:].lower(),
    "default": _default,
    "divided_by": _divide,
    "downcase": lambda value: to_text(value).lower(),
    "escape": lambda value: to_text(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    "first": lambda value: look_up(value, "first"),
    "join": lambda value, between=" ": to_text(between).join(to_text(item) for item in value or []),
    "last": lambda value: look_up(value, "last"),
    "lstrip": lambda value: to_text(value).lstrip(),
    "minus": lambda value, other: _number(value) - _number(other),
    "modulo": lambda value, other: _number(value) % _number(other),
    "plus": lambda value, other: _number(value) + _number(other),
    "prepend": lambda value, more: to_text(more) + to_text(value),
    "remove": lambda value, part: to_text(value).replace(to_text(part), ""),
    "replace": lambda value, old, new="": to_text(value).replace(to_text(old), to_text(new)),
    "round": lambda value: round(_number(value)),
    "rstrip": lambda value: to_text(value).rstrip(),
    "size": lambda value: look_up(value, "size") or 0,
    "slice": _slice,
    "split": lambda value, at: to_text(value).split(to_text(at)) if to_text(at) else list(to_text(value)),
    "strip": lambda value: to_text(value).strip(),
    "strip_newlines": lambda value: re.sub(r"[\r\n]", "", to_text(value)),
    "times": lambda value, other: _number(value) * _number(other),
    "truncate": lambda value, length=50: (
        to_text(value) if len(to_text(value)) <= length else to_text(value)[: max(0, length - 3)] + "..."
    ),
    "upcase": lambda value: to_text(value).upper(),
    "url_decode": lambda value: unquote_plus(to_text(value)),
    "url_encode": lambda value: quote_plus(to_text(value)),
}
