"""The part of the Liquid template language that Studio flows are written in.

Output `{{ a.b["c"] | filter: argument }}`, the tags if, unless, elsif, else, case, when, assign, comment and raw, and
the filters below (Liquid reference: Variables, Control flow, Filters). What is not there renders to nothing, as in
Liquid; a tag or filter that this module does not know is an error, so that nobody takes an empty text for an answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.liquid_filters import BLANK, FILTERS, look_up, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PIECE = re.compile(r"(\{\{-?.*?-?\}\}|\{%-?.*?-?%\})", re.DOTALL)
_RAW = re.compile(r"\{%-?\s*raw\s*-?%\}(.*?)\{%-?\s*endraw\s*-?%\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*("[^"]*"|'[^']*'|-?\d+\.\d+|-?\d+|==|!=|<>|<=|>=|<|>|[A-Za-z_][\w-]*\??|\.|\[|\]|\||:|,)""", re.DOTALL
)


class LiquidError(ValueError):
    """A template that cannot be rendered; the text says why."""


def render(template: str, variables: Mapping[str, Any]) -> str:
    """Return `template` with everything in braces replaced. Raises LiquidError."""
    if "{{" not in template and "{%" not in template:
        return template
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found.group(1))
        return f"\0{len(kept) - 1}\0"

    pieces = [piece for piece in _PIECE.split(_RAW.sub(keep, template)) if piece]
    rendered = _Rendering(pieces, dict(variables)).run()
    return re.sub(r"\0(\d+)\0", lambda found: kept[int(found.group(1))], rendered)


@dataclass
class _Frame:
    """An open if, unless or case: whether this branch is rendered, and whether one has been already."""

    kind: str
    active: bool
    taken: bool
    outer: bool
    subject: Any = None


class _Rendering:
    def __init__(self, pieces: list[str], variables: dict[str, Any]) -> None:
        self._pieces = pieces
        self._variables = variables
        self._frames: list[_Frame] = []
        self._commented = False

    def run(self) -> str:
        written: list[str] = []
        for piece in self._pieces:
            if piece.startswith("{%"):
                self._tag(piece.strip("{}").strip("%").strip("-").strip())
            elif self._commented or not self._is_active():
                continue
            elif piece.startswith("{{"):
                written.append(to_text(_Expression(piece[2:-2].strip("-"), self._variables).filtered()))
            else:
                written.append(piece)
        if self._frames:
            raise LiquidError(f"`{self._frames[-1].kind}` is never closed")
        return "".join(written)

    def _is_active(self) -> bool:
        return not self._frames or (self._frames[-1].active and self._frames[-1].outer)

    def _tag(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        if self._commented or name in {"comment", "endcomment"}:
            self._commented = name != "endcomment"
        elif name in {"if", "unless"}:
            wanted = self._is_active() and _Expression(rest, self._variables).condition() != (name == "unless")
            self._frames.append(_Frame(name, wanted, wanted, self._is_active()))
        elif name == "case":
            subject = _Expression(rest, self._variables).filtered() if self._is_active() else None
            self._frames.append(_Frame(name, active=False, taken=False, outer=self._is_active(), subject=subject))
        elif name in {"elsif", "when", "else"}:
            self._branch(name, rest)
        elif name in {"endif", "endunless", "endcase"}:
            if not self._frames or self._frames[-1].kind != name[3:]:
                raise LiquidError(f"`{name}` closes nothing")
            self._frames.pop()
        elif name == "assign":
            self._assign(rest)
        else:
            raise LiquidError(f"the tag `{name}` is not supported")

    def _branch(self, name: str, rest: str) -> None:
        if not self._frames:
            raise LiquidError(f"`{name}` stands alone")
        frame = self._frames[-1]
        if frame.taken or not frame.outer:
            frame.active = False
            return
        if name == "else":
            frame.active = True
        elif name == "when":
            values = re.split(r",|\bor\b", rest)
            frame.active = any(
                _equal(_Expression(value, self._variables).filtered(), frame.subject) for value in values
            )
        else:
            frame.active = _Expression(rest, self._variables).condition()
        frame.taken = frame.active

    def _assign(self, rest: str) -> None:
        if self._is_active():
            name, _, expression = rest.partition("=")
            self._variables[name.strip()] = _Expression(expression, self._variables).filtered()


class _Expression:
    """A value with its filters, or a condition."""

    def __init__(self, text: str, variables: Mapping[str, Any]) -> None:
        self._text = text.strip()
        self._variables = variables
        self._tokens = list(_tokens(self._text))
        self._at = 0

    def filtered(self) -> Any:
        if not self._tokens:
            return None
        value = self._value()
        while self._take("|"):
            name = self._next()
            arguments: list[Any] = []
            if self._take(":"):
                arguments.append(self._value())
                while self._take(","):
                    arguments.append(self._value())
            value = _apply(name, value, arguments)
        self._end()
        return value

    def condition(self) -> bool:
        # Liquid has no precedence and no brackets: `and` and `or` are read from the right.
        result = self._comparison()
        if self._take("and"):
            rest = self.condition()
            return result and rest
        if self._take("or"):
            rest = self.condition()
            return result or rest
        self._end()
        return result

    def _comparison(self) -> bool:
        left = self._value()
        for operator, compare in _COMPARISONS.items():
            if self._take(operator):
                return compare(left, self._value())
        return left is not None and left is not False

    def _value(self) -> Any:
        token = self._next()
        if token[0] in "\"'":
            return token[1:-1]
        if re.fullmatch(r"-?\d+", token):
            return int(token)
        if re.fullmatch(r"-?\d+\.\d+", token):
            return float(token)
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if not re.match(r"[A-Za-z_]", token):
            raise LiquidError(f"`{self._text}` cannot be read at `{token}`")
        value = look_up(self._variables, token)
        while True:
            if self._take("."):
                value = look_up(value, self._next())
            elif self._take("["):
                value = look_up(value, self._value())
                if not self._take("]"):
                    raise LiquidError(f"a bracket is never closed in `{self._text}`")
            else:
                return value

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise LiquidError(f"`{self._text}` ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _end(self) -> None:
        if self._at < len(self._tokens):
            raise LiquidError(f"`{self._text}` cannot be read at `{self._tokens[self._at]}`")


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            if text[position:].isspace():
                return
            raise LiquidError(f"`{text}` cannot be read at `{text[position:].strip()[:20]}`")
        yield found.group(1)
        position = found.end()


def _equal(left: Any, right: Any) -> bool:
    if left is BLANK or right is BLANK:
        other = right if left is BLANK else left
        return other is None or other is False or to_text(other).strip() in {"", "[]", "{}"}
    return bool(left == right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(left: Any, right: Any) -> bool:
        if isinstance(left, int | float) and isinstance(right, int | float):
            return compare(left, right)
        return isinstance(left, str) and isinstance(right, str) and compare(left, right)

    return ordered


def _contains(left: Any, right: Any) -> bool:
    return to_text(right) in left if isinstance(left, str) else isinstance(left, list | dict) and right in left


def _apply(name: str, value: Any, arguments: list[Any]) -> Any:
    if name not in FILTERS:
        raise LiquidError(f"the filter `{name}` is not supported")
    try:
        return FILTERS[name](value, *arguments)
    except (TypeError, IndexError, ZeroDivisionError) as problem:
        raise LiquidError(f"the filter `{name}` cannot be applied: {problem}") from problem


_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "nil": None, "null": None, "blank": BLANK, "empty": BLANK}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<>": lambda left, right: not _equal(left, right),
    "<=": _ordered(lambda left, right: left <= right),
    ">=": _ordered(lambda left, right: left >= right),
    "<": _ordered(lambda left, right: left < right),
    ">": _ordered(lambda left, right: left > right),
    "contains": _contains,
}
