"""Secrets as a type, and the filter that everything printed or logged passes through.

Imports only `spellings` and nothing heavy: `errors`, `ui` and the log file all depend on it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from ga_deploy.spellings import AMPERSAND, PERCENT, Spelled, spell

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK = "********"

T = TypeVar("T")


def fingerprint(text: str, salt: str = "") -> str:
    """Return twelve hex digits that tell whether two texts are the same; see `Secret.fingerprint`. Takes some 20 ms.

    Only fingerprints of the same salt can be compared. Without one they are the same everywhere, so that guesses can be
    worked out beforehand: what is kept of a secret has a random one.
    """
    return hashlib.pbkdf2_hmac("sha256", text.encode(), f"ga-deploy secret fingerprint{salt}".encode(), 50_000).hex()[
        :12
    ]


class Secret:
    """A value that must not be shown. Printing, formatting, pickling or JSON-encoding one never reveals it.

    `reveal()` is the only way to the text; call it where the value goes on the wire and nowhere else. Every secret
    made is known to `redact`, so that text which contains it by accident (an exception, an echo) is masked too.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value
        _known.add(value)

    def reveal(self) -> str:
        """Return the secret text itself."""
        return self.__value

    def fingerprint(self, salt: str = "") -> str:
        """Return twelve hex digits that tell whether two secrets are the same, without telling what they are.

        The digest is slow enough that a short secret cannot be found by trying words against a record, and with a salt
        no words can be tried beforehand.
        """
        return fingerprint(self.__value, salt)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __repr__(self) -> str:
        return "Secret(********)" if self.__value else "Secret()"

    def __str__(self) -> str:
        return MASK if self.__value else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")


class _KnownSecrets:
    """The secrets of this process, longest first: one may be a part of another."""

    # Shorter values ("on", "1234") would mask half of every sentence; the config refuses such secrets instead.
    shortest = 6

    def __init__(self) -> None:
        self._spelled: dict[str, Spelled] = {}

    def add(self, value: str) -> None:
        if len(value) < self.shortest or value in self._spelled:
            return
        added = {**self._spelled, value: Spelled(value)}
        # A new mapping, never a changed one: another thread may be masking.
        self._spelled = {text: added[text] for text in sorted(added, key=len, reverse=True)}

    def mask(self, text: str) -> str:
        for spelled in self._spelled.values():
            text = spelled.mask(text, MASK)
        return text


_known = _KnownSecrets()


class _Shapes:
    """What is secret by its shape, whoever made it. Each pattern is compiled when a text may need it: that takes long.

    A stream URL is a bearer credential (ASAPP: the token is in the path), so is a JWT, a Basic or Bearer header, and a
    password: in a URL, of a SIP address, of the noun `<Sip>`. Each is known in any case, URL-encoded, and escaped in
    JSON, XML and JavaScript. Where a shape is in plain text it does not reach over a backslash: in JSON that is the
    beginning of an escaped quote, which has to stay.
    """

    def __init__(self) -> None:
        self._shapes: list[tuple[str, str, str]] = []

    def mask(self, text: str) -> str:
        self._shapes = self._shapes or list(_list_shapes())
        lower = text.lower()
        for word, pattern, masked in self._shapes:
            if word in lower:
                text = _replace(word, _compile_shape(pattern), masked, text, lower)
                lower = text.lower()
        return text


@lru_cache(maxsize=32)
def _compile_shape(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _replace(word: str, pattern: re.Pattern[str], masked: str, text: str, lower: str) -> str:
    """Return what `pattern.sub` would, but try the pattern only where its first word is: far faster in a long text."""
    if len(lower) != len(text):  # a few letters are longer in lower case
        return pattern.sub(masked, text)
    parts = []
    end = 0
    at = lower.find(word)
    while at >= 0:
        found = pattern.match(text, at)
        if found:
            parts += [text[end:at], found.expand(masked)]
            end = max(found.end(), at + 1)
        at = lower.find(word, max(end, at + 1))
    return "".join([*parts, text[end:]]) if parts else text


def _list_shapes() -> Iterator[tuple[str, str, str]]:
    """Yield the word (in lower case) that each shape begins with, the shape's pattern, and what it becomes."""
    quote = rf"(?:\\{{0,8}}[\"']|{AMPERSAND}(?:quot|apos|\#0*(?:34|39)|\#x0*2[27]);|\\{{1,8}}[ux](?:00)?2[27])"
    quote_in_url = rf"(?:{quote}|{PERCENT}2[27])"
    any_colon, any_slash, any_at = spell(":"), spell("/"), spell("@")
    # An escaped character, none that ends a text; then all that a URL has in plain text, and in another URL.
    escaped = r"\\{1,8}(?:/|[ux](?:00)?(?!2[27]|3[ce])[0-9a-f]{2})"
    rest = rf"(?:[\w.~/-]|(?!{quote})[^\s\"'<>\\]|{escaped})"
    rest_in_url = rf"(?:[\w.~/-]|(?!{quote_in_url})[^\s\"'<>\\]|{escaped})"
    host = rf"(?:[A-Za-z0-9.-]|(?!{any_slash}|{spell('?')}|{quote_in_url})[^\s\"'<>\\?]){{1,253}}+"
    coded_colon = rf"(?:{PERCENT}3a)"
    plain_colon = rf"(?!{coded_colon}){any_colon}"
    after_host = rf"(?:{any_slash}|{spell('?')})"

    yield "ws", rf"(?i)(wss?{plain_colon}{any_slash}{{2}}{host}{after_host}){rest}+", rf"\1{MASK}"
    yield "ws", rf"(?i)(wss?{coded_colon}{any_slash}{{2}}{host}{after_host}){rest_in_url}+", rf"\1{MASK}"
    yield "eyj", r"(?<![A-Za-z0-9])eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*", MASK
    space = rf"(?:{spell(' ')}){{1,9}}"
    yield "basic", rf"(?i)(?<![a-z])(basic{space})[A-Za-z0-9+/=._~%-]{{8,}}", rf"\1{MASK}"
    yield "bearer", rf"(?i)(?<![a-z])(bearer{space})[A-Za-z0-9+/=._~%-]{{8,}}", rf"\1{MASK}"
    yield "asapp-api-", r"(?i)(asapp-api-(?:id|secret)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}\\]+", rf"\1{MASK}"
    yield "://", r"(://[^\s/:@\"'<>\\]+):[^\s/@\"'<>\\]+@", rf"\1:{MASK}@"
    user = rf"(?:[A-Za-z0-9._-]|(?!{any_colon}|{any_at})[^\s\"'<>\\]){{0,100}}+"
    yield (
        "sip",
        rf"(?i)((?<![a-z])sips?:{user}{any_colon})(?:[\w.~/:-]|(?!{quote})[^\s@\"'<>\\]|{escaped}){{1,200}}+@",
        rf"\1{MASK}@",
    )
    yield (
        "sip",
        rf"(?i)((?<![a-z])sips?(?!:){any_colon}{user}{any_colon}){rest_in_url}{{1,200}}({any_at})",
        rf"\1{MASK}\2",
    )
    named = rf"(?<![a-z])password{quote}?\s?(?:{spell('=')}|:)\s?"
    yield "password", rf"(?i)({named})({quote_in_url})(?:[^\n]{{1,1000}}?(?=\2)|[^\s\"'<>\\]+)", rf"\1\2{MASK}"


_shapes = _Shapes()


def redact(text: str) -> str:
    """Return `text` with every known secret, and everything that is secret by its shape, masked."""
    return _shapes.mask(_known.mask(text))


def redact_tree(tree: T) -> T:
    """Return a tree of JSON's types with every text in it masked, keys included; anything else stays as it is.

    JSON is masked so before it is written: a secret that looks like JSON's own signs cannot break it then.
    """
    return _redact_tree(tree)  # type: ignore[return-value]


def _redact_tree(tree: object) -> object:
    if isinstance(tree, str):
        return redact(tree)
    if isinstance(tree, Mapping):
        return {redact(key) if isinstance(key, str) else key: _redact_tree(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_redact_tree(value) for value in tree]
    return tree
