"""Writes Python values as readable JavaScript source that is safe in every file."""

from __future__ import annotations

import json
import re

_WIDTH = 110
# Characters that a reader, a parser (U+2028) or a page that shows the file could take for something other than text.
_UNSAFE = re.compile(
    r"[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]|</|<!--"
)
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


def _text(value: str) -> str:
    def escape(match: re.Match[str]) -> str:
        found = match.group()
        return f"\\u{ord(found[0]):04x}{found[1:]}"

    return _UNSAFE.sub(escape, json.dumps(value, ensure_ascii=False))


def _key(name: str) -> str:
    # `__proto__: x` in an object literal sets the prototype; as a computed key it is an ordinary key.
    if name == "__proto__":
        return '["__proto__"]'
    return name if _NAME.fullmatch(name) else _text(name)


def to_literal(value: object, indent: int = 0) -> str:
    """Return `value` (JSON's types, tuples too) as a JavaScript expression; short values are on one line.

    Every text is kept exactly; characters that could break out of the file, or hide in it, are escaped.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        pairs = [f"{_key(name)}: " for name in value]
        parts = [pair + to_literal(inner, indent + 2) for pair, inner in zip(pairs, value.values(), strict=True)]
        return _wrap(parts, "{ }", indent)
    if isinstance(value, (list, tuple)):
        return _wrap([to_literal(inner, indent + 2) for inner in value], "[]", indent)
    return json.dumps(value, allow_nan=False)


def _wrap(parts: list[str], brackets: str, indent: int) -> str:
    opening, closing = brackets[0], brackets[-1]
    if not parts:
        return opening + closing
    gap = brackets[1:-1]
    line = f"{opening}{gap}{', '.join(parts)}{gap}{closing}"
    if "\n" not in line and len(line) + indent <= _WIDTH:
        return line
    inner = "".join(f"\n{' ' * (indent + 2)}{part}," for part in parts)
    return f"{opening}{inner}\n{' ' * indent}{closing}"
