r"""How a text looks after others have encoded it: escaped in XML, JSON, Python or JavaScript, URL-encoded, in base64.

A secret that is known by its value has to be found in all of these. Every encoding here works character by character
(base64 excepted), so that one pattern does for all of them, also for one inside another (XML in JSON in a URL): each
character of the secret may stand in any of its spellings. Letters, digits and `_ . -` are the same in every encoding;
the longest run of them is looked for first, with a plain search, so that long texts stay cheap.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache

# What no encoder changes.
_PLAIN = re.compile(r"[A-Za-z0-9_.\-]+")
# The signs that introduce an encoded character may be encoded themselves: `%2526`, `&amp;lt;`, `\u0026lt;`.
PERCENT = r"%(?:25){0,3}"
_BACKSLASH = rf"(?:\\|{PERCENT}5[cC])"
# Each level of JSON doubles backslashes: eight are three levels. Bounded, so that no text takes quadratic time.
_SLASHES = rf"{_BACKSLASH}{{0,8}}+"
_ESCAPE = rf"{_BACKSLASH}{{1,8}}"
AMPERSAND = rf"(?:&|{_ESCAPE}[ux](?:00)?26|{PERCENT}26)(?:amp(?:;|{PERCENT}3[bB])){{0,3}}"
_END = rf"(?:;|{PERCENT}3[bB])"
_HASH = rf"(?:\#|{PERCENT}23)"
_NAMED = {'"': "quot", "'": "apos", "<": "lt", ">": "gt"}
_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}


class Spelled:
    """One text in every spelling; `mask` replaces them all."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._core = _find_core(text)
        self._stems = [(stem, _find_core(stem)) for stem in list_stems(text.encode("utf-8", "surrogatepass"))]

    def mask(self, text: str, mask: str) -> str:
        """Return `text` with `mask` in the place of this text, however it is spelled."""
        if self._core in text:
            text = _compile(self._text).sub(mask, text)
        for stem, core in self._stems:
            if core in text:
                text = _compile_stem(stem).sub(mask, text)
        return text


def _find_core(text: str) -> str:
    """Return the longest part that is the same in every spelling; it may be empty."""
    return max(_PLAIN.findall(text), key=len, default="")


@lru_cache(maxsize=256)
def _compile(text: str) -> re.Pattern[str]:
    parts = []
    before = ""
    for run in re.findall(r"[A-Za-z0-9_.\-]+|\\+|.", text, re.DOTALL):
        if run[0] == "\\":
            parts.append(_spell_backslashes(len(run)))
        elif _PLAIN.fullmatch(run):
            parts.append(re.escape(run))
        else:
            parts.append(spell(run, after_backslash=before == "\\"))
        before = run[0]
    return re.compile("".join(parts))


def _spell_backslashes(count: int) -> str:
    # As many as there are: those of an escaped character that follows are among them.
    return rf"(?:{_BACKSLASH}{{{count},{8 * count + 8}}}+|(?:{_encoded(92)}){{{count}}})"


@lru_cache(maxsize=1024)
def spell(character: str, *, after_backslash: bool = False) -> str:
    """Return a pattern of one character in every spelling.

    `after_backslash`: the pattern before it has taken the backslashes that this one begins with.
    """
    number = ord(character)
    escape = rf"{_BACKSLASH}{{0,8}}" if after_backslash else _ESCAPE
    ways = [f"{_SLASHES}(?:{_literal(character)}|{_encoded(number)})"]
    if number < 0x10000:
        ways.append(rf"{escape}u(?:{_hex(number, 4)}|\{{0*{_hex(number)}\}})")
    else:
        high, low = 0xD800 + ((number - 0x10000) >> 10), 0xDC00 + ((number - 0x10000) & 0x3FF)
        ways.append(rf"{escape}u{_hex(high, 4)}{_ESCAPE}u{_hex(low, 4)}")
        ways.append(rf"{escape}(?:U{_hex(number, 8)}|u\{{0*{_hex(number)}\}})")
    if number < 0x100:
        ways.append(rf"{escape}x{_hex(number, 2)}")
    if character in _LETTERS:
        ways.append(escape + _LETTERS[character])
    if number >= 0x80:  # the repr of bytes
        ways.append("".join(rf"{escape}x{_hex(byte, 2)}" for byte in character.encode("utf-8", "surrogatepass")))
    return f"(?:{'|'.join(ways)})"


def _literal(character: str) -> str:
    if character == "\r":
        return r"\r|(?=\n)"  # the end of a line becomes that of the platform
    if character == "\n":
        return r"\n[ \t]{0,40}"  # a message of several lines is indented
    if character in " \t":
        return r"[ \t\n\r+]"
    if character == "&":
        return AMPERSAND
    if character == "%":
        return PERCENT
    return re.escape(character)


def _encoded(number: int) -> str:
    """Return a character as a URL and as XML or HTML have it."""
    character = chr(number)
    in_url = "".join(f"{PERCENT}{_hex(byte, 2)}" for byte in character.encode("utf-8", "surrogatepass"))
    names = [rf"{_HASH}(?:0*{number}|[xX]0*{_hex(number)})", *([_NAMED[character]] if character in _NAMED else [])]
    return f"{in_url}|{AMPERSAND}(?:{'|'.join(names)}){_END}"


def _hex(number: int, width: int = 1) -> str:
    digits = f"{number:0{width}x}"
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def list_stems(content: bytes) -> list[str]:
    """Return the part of the base64 of a text around `content` that is always the same, for each place it begins at.

    Three bytes are four characters, so that there are three such places; what shares a character with its neighbours
    is left out.
    """
    stems = []
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + content).decode()
        stems.append(encoded[skipped : (before + len(content)) * 8 // 6])
    return stems


@lru_cache(maxsize=256)
def _compile_stem(stem: str) -> re.Pattern[str]:
    plus = rf"(?:\+|-|{spell('+')})"
    slash = rf"(?:_|{spell('/')})"
    edge = rf"(?:[A-Za-z0-9]|{plus}|{slash})?"
    inner = "".join(plus if sign == "+" else slash if sign == "/" else sign for sign in stem)
    return re.compile(rf"{edge}{inner}{edge}(?:{spell('=')}){{0,2}}")
