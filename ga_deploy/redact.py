"""Secrets as a type, and the filter that everything printed or logged passes through.

Imports nothing of the project and nothing heavy: `errors`, `ui` and the log file all depend on it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import quote, quote_plus

MASK = "********"


def fingerprint(text: str) -> str:
    """Return twelve hex digits that tell whether two texts are the same; see `Secret.fingerprint`. Takes some 20 ms."""
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"ga-deploy secret fingerprint", 50_000).hex()[:12]


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

    def fingerprint(self) -> str:
        """Return twelve hex digits that tell whether two secrets are the same, without telling what they are.

        The digest is keyed and slow enough that a short secret cannot be found by trying words against a record.
        """
        return fingerprint(self.__value)

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
    """The secrets of this process in every spelling they may turn up in, as one pattern, compiled when needed."""

    # Shorter values ("on", "1234") would mask half of every sentence; the config refuses such secrets instead.
    shortest = 6

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        if len(value) < self.shortest:
            return
        encoded = base64.b64encode(value.encode()).decode()
        spellings = {
            value,
            quote(value, safe=""),
            quote_plus(value),
            encoded,
            value.replace("\\", "\\\\").replace('"', '\\"'),
        }
        if not spellings <= self._spellings:
            self._spellings |= spellings
            self._pattern = None

    def mask(self, text: str) -> str:
        if not self._spellings:
            return text
        if self._pattern is None:
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(re.escape(s) for s in longest_first))
        return self._pattern.sub(MASK, text)


_known = _KnownSecrets()

# None of the shapes reaches over a backslash: in JSON it is the beginning of an escaped quote, which has to stay.
# What is secret by its shape, whoever made it: a stream URL is a bearer credential (ASAPP: the token is in the path),
# so is a JWT, a Basic or Bearer header, and a password inside a URL.
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(wss?://[^\s\"'<>/\\]+)/[^\s\"'<>\\]+"), rf"\1/{MASK}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), MASK),
    (re.compile(r"(?i)\b(basic|bearer) +[A-Za-z0-9+/=._~-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)(asapp-api-(?:id|secret)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}\\]+"), rf"\1{MASK}"),
    (re.compile(r"(\w+://[^\s/:@\"'<>\\]+):[^\s/@\"'<>\\]+@"), rf"\1:{MASK}@"),
)


def redact(text: str) -> str:
    """Return `text` with every known secret, and everything that is secret by its shape, masked."""
    text = _known.mask(text)
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text
