"""The kinds of value in the config: texts, whole numbers, switches, choices, secrets.

Each kind is a pydantic validator that raises a finding with a reason and a fix. A stand-in for a missing value
(`Referenced.stand_in`: local mode, or an environment that is not selected) becomes a plausible value of its kind, so
that only values written by the user are checked.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticUseDefault

from ga_deploy.config.references import Referenced
from ga_deploy.redact import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

# Bytes; secrets are kept in environment variables on Twilio (Twilio docs: Environment variables).
LONGEST_SECRET = 450

# Masking a shorter secret would also mask parts of ordinary words (see `redact`).
SHORTEST_SECRET = 6

_LOOKS_SECRET = re.compile(r"[0-9a-fA-F]{32,}|eyJ[\w-]{5,}\..*")
REFERENCE_PATTERN = r"\$\{"


def finding(what: str, why: str = "", fix: str = "", *, at_key: bool = False) -> PydanticCustomError:
    """Return a pydantic error that carries the words of a finding; `load` adds the place.

    With `at_key` the place is that of the key, not of the value.
    """
    return PydanticCustomError("finding", "{what}", {"what": what, "why": why, "fix": fix, "at_key": at_key})


def check_each(value: Any, check: Callable[[str, Any], Any]) -> Any:
    """Return the mapping with each value replaced by `check(key, value)`; raise all its errors together.

    Anything but a mapping is returned unchanged; pydantic then reports it.
    """
    if not isinstance(value, dict):
        return value
    checked: dict[str, Any] = {}
    errors: list[InitErrorDetails] = []
    for key, one in value.items():
        try:
            checked[str(key)] = check(str(key), one)
        except PydanticCustomError as error:
            errors.append(InitErrorDetails(type=error, loc=(str(key),), input=one))
    if errors:
        raise ValidationError.from_exception_data("config", errors)
    return checked


def show(value: object) -> str:
    """Return `value` as a message may show it: no text behind a reference, and none that looks like a secret."""
    if isinstance(value, Referenced):
        return "the value of " + ", ".join(f"`${{{name}}}`" for name in value.names)
    if value is None or isinstance(value, bool):
        return f"`{kind_of(value)}`"
    text = MASK if _LOOKS_SECRET.fullmatch(str(value)) else str(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return f"`{text}`" if text else "the empty text"


def is_made_up(value: object) -> bool:
    """Tell whether a value is a stand-in for a missing one."""
    return isinstance(value, Referenced) and value.stand_in


def digest(value: str, length: int) -> str:
    """Return hex digits that are the same for the same text, for stand-ins."""
    return hashlib.sha256(value.encode()).hexdigest()[:length]


def printable(value: str) -> str:
    """Return `value`; raise a finding if it has control characters, which cannot be spoken or sent."""
    if any(ord(character) < 32 and character not in "\t\n" for character in value):
        raise finding(
            "a text has a control character",
            "it cannot be spoken, nor sent in TwiML",
            "remove it, or retype the text",
        )
    return value


Text = Annotated[str, BeforeValidator(lambda value: printable(value) if isinstance(value, str) else value)]


def _whole(value: Any) -> Any:
    if isinstance(value, Referenced) and value.stand_in:
        raise PydanticUseDefault
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,15}", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise finding(
            f"{show(value)} is not a whole number",
            "only the digits 0 to 9 are possible here",
            "write a number such as 15, without quotes or unit",
        )
    return value


Whole = Annotated[int, BeforeValidator(_whole)]


def _truth(value: Any) -> Any:
    if isinstance(value, Referenced) and value.stand_in:
        raise PydanticUseDefault
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false", "yes", "no", "on", "off"}:
        return value.strip().lower() in {"true", "yes", "on"}
    raise finding(
        f"{show(value)} is neither true nor false", "only true or false is possible here", "write true or false"
    )


Truth = Annotated[bool, BeforeValidator(_truth)]


def _choice(value: Any) -> Any:
    if is_made_up(value):
        raise PydanticUseDefault
    return str(value) if isinstance(value, str) else value


# Goes before a `Literal[...]`: it turns a reference into its text, and a stand-in into the default.
Choice = BeforeValidator(_choice)


def _secret(value: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise finding("a secret has to be a text", "", "write a reference such as ${NAME}")
    if not isinstance(value, Referenced) or value.clear:
        raise finding(
            "secret in plain text",
            "anyone who can read this file or its git history can read it, also as a default in `${NAME:-...}`",
            "write ${NAME}, and set NAME in the environment or in .env (which is not committed)",
        )
    if len(value) < SHORTEST_SECRET:
        raise finding(
            f"a secret has fewer than {SHORTEST_SECRET} characters",
            f"{show(value)} is too short to be safe, and cannot be masked in logs",
            "use a longer secret",
        )
    if len(value.encode()) > LONGEST_SECRET:
        raise finding(
            "a secret is too long",
            f"{show(value)} has {len(value.encode())} bytes; a variable on Twilio holds {LONGEST_SECRET}",
            "use a shorter secret",
        )
    if any(ord(character) < 32 for character in value):
        raise finding(
            "a secret has a control character in it",
            f"{show(value)} has more than one line, or an incomplete copy was pasted",
            "set it again, on one line",
        )
    return Secret(str(value))


def _header_value(value: Any) -> Secret:
    """Read a secret that is sent as an HTTP header: visible ASCII only."""
    secret = _secret(value)
    _check_header(secret.reveal(), value)
    return secret


def _identifier(value: Any) -> Secret:
    """Read an id that is masked like a secret but may be written in plain text (ASAPP's API id)."""
    if isinstance(value, Secret):
        return value
    require_text(value)
    _check_header(value, value)
    if len(value) < SHORTEST_SECRET:
        raise finding(
            f"the ASAPP API id has fewer than {SHORTEST_SECRET} characters",
            "it is masked like a secret, and so short a text cannot be masked in logs",
            "write it as ASAPP gave it",
        )
    return Secret(str(value))


def _check_header(text: str, written: Any) -> None:
    if not re.fullmatch(r"[!-~]{1,450}", text):
        whose = f"{show(written)} has" if isinstance(written, Referenced) else "it has"
        raise finding(
            "an ASAPP credential cannot be sent",
            f"it is sent as an HTTP header of 1 to 450 visible ASCII characters; {whose} others",
            "write it as ASAPP gave it",
        )


_SECRET_SCHEMA = WithJsonSchema({"type": "string", "pattern": r"^(\$\{[^}]*\})*$", "writeOnly": True})
SecretText = Annotated[Secret, PlainValidator(_secret), _SECRET_SCHEMA]
ApiSecret = Annotated[Secret, PlainValidator(_header_value), _SECRET_SCHEMA]
ApiId = Annotated[Secret, PlainValidator(_identifier), WithJsonSchema({"type": "string", "minLength": 1})]


def require_text(value: Any) -> None:
    """Raise an error if `value` is not a text; `explain` tells the user how to quote it."""
    if not isinstance(value, str):
        raise PydanticCustomError("not_a_text", "a text is expected")


def kind_of(value: object) -> str:
    """Return the type that YAML gave a value, in words: `a number`, `true`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a text"


def pattern(
    regex: str, what: str, why: str, fix: str, *, stand_in: str = "local"
) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return validators for a text that has to match `regex` as a whole; `what` follows the value in the message."""

    def check(value: Any) -> str:
        require_text(value)
        if re.fullmatch(regex, value):
            return str(value)
        if is_made_up(value):
            return stand_in
        raise finding(f"{show(value)} {what}", why, fix)

    return BeforeValidator(check), WithJsonSchema({"type": "string", "pattern": f"^(?:{regex})$"})
