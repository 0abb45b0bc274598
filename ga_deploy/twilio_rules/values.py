"""What the value of an attribute may be: a word of a list, a whole number, a URL, a text of some length.

Each kind tells what is wrong with a value, in words that can stand behind "`NAME` ": an empty text is nothing wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_WHOLE = re.compile(r"[0-9]{1,12}")


class Value:
    """Any value at all."""

    @property
    def words(self) -> str:
        """The rule in words, for a table."""
        return "any text"

    def find_fault(self, text: str) -> str:
        """Return what is wrong with `text`; empty if nothing is."""
        del text
        return ""


@dataclass(frozen=True)
class OneOf(Value):
    """One word of a list; with `several` as many as wanted, with blanks between. Case counts unless `any_case`."""

    allowed: tuple[str, ...]
    several: bool = False
    any_case: bool = False

    @property
    def words(self) -> str:
        """The rule in words, for a table."""
        return ("one or more of " if self.several else "") + ", ".join(f"`{word}`" for word in self.allowed)

    def find_fault(self, text: str) -> str:
        """Return what is wrong with `text`; empty if nothing is."""
        given = text.split() if self.several else [text]
        known = {word.lower() for word in self.allowed} if self.any_case else set(self.allowed)
        wrong = [word for word in given if (word.lower() if self.any_case else word) not in known]
        return f"is `{wrong[0]}`, not one of {', '.join(self.allowed)}" if wrong or not given else ""


@dataclass(frozen=True)
class Whole(Value):
    """A whole number. `most` None: no upper end is published."""

    least: int = 0
    most: int | None = None

    @property
    def words(self) -> str:
        """The rule in words, for a table."""
        return f"whole number from {self.least}" + (f" to {self.most}" if self.most is not None else "")

    def find_fault(self, text: str) -> str:
        """Return what is wrong with `text`; empty if nothing is."""
        if not _WHOLE.fullmatch(text):
            return f"is `{text}`, which is no whole number"
        if int(text) < self.least or (self.most is not None and int(text) > self.most):
            return f"is {text}, not a {self.words}"
        return ""


@dataclass(frozen=True)
class Url(Value):
    """A URL. `relative`: it may also be relative to the document. A relative one where it may not be is a fault."""

    relative: bool
    schemes: tuple[str, ...] = ("https", "http")
    most: int | None = None

    @property
    def words(self) -> str:
        """The rule in words, for a table."""
        kind = "relative or absolute URL" if self.relative else "absolute URL"
        return f"{kind} ({', '.join(self.schemes)})" + (f", at most {self.most} characters" if self.most else "")

    def find_fault(self, text: str) -> str:
        """Return what is wrong with `text`; empty if nothing is."""
        try:
            parts = urlsplit(text)
        except ValueError:
            return "is no URL"
        if self.most is not None and len(text) > self.most:
            return f"has {len(text)} characters, at most {self.most} are taken"
        if not parts.scheme and not parts.netloc:
            return "" if self.relative else "is relative, and has to be an absolute URL"
        if parts.scheme not in self.schemes or not parts.netloc:
            return f"is no {' or '.join(self.schemes)} URL"
        return ""


@dataclass(frozen=True)
class Pattern(Value):
    """A text of a form, which `form` tells in words."""

    pattern: str
    form: str

    @property
    def words(self) -> str:
        """The rule in words, for a table."""
        return self.form

    def find_fault(self, text: str) -> str:
        """Return what is wrong with `text`; empty if nothing is."""
        return "" if re.fullmatch(self.pattern, text) else f"is `{text[:60]}`, not {self.form}"


@dataclass(frozen=True)
class Length(Value):
    """A text of `least` to `most` characters."""

    most: int
    least: int = 0

    @property
    def words(self) -> str:
        """The rule in words, for a table."""
        return (
            f"text of {self.least} to {self.most} characters" if self.least else f"text, at most {self.most} characters"
        )

    def find_fault(self, text: str) -> str:
        """Return what is wrong with `text`; empty if nothing is."""
        return "" if self.least <= len(text) <= self.most else f"has {len(text)} characters, not a {self.words}"


ANY = Value()
METHOD = OneOf(("GET", "POST"), any_case=True)
YES_NO = OneOf(("true", "false"), any_case=True)
