"""The kinds of value in the config: phone numbers, URLs, SIDs, paths, secrets, numbers, texts.

Each kind is a validator for pydantic that raises a finding in our words, with a reason and a fix. A value that
stands in for a missing one (`Referenced.stand_in`: local mode, or an environment that is not selected) is replaced by
a plausible value of its kind, so that only what the user wrote is judged.

Longer than most modules since the kinds belong together; each is a few lines.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticUseDefault

from ga_deploy.config.references import Referenced
from ga_deploy.redact import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

# A secret below this length could not be masked without masking half of every sentence (see `redact`).
SHORTEST_SECRET = 6

_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
_LOOKS_SECRET = re.compile(r"[0-9a-fA-F]{32,}|eyJ[\w-]{5,}\..*")
REFERENCE_PATTERN = r"\$\{"


def finding(what: str, why: str = "", fix: str = "", *, at_key: bool = False) -> PydanticCustomError:
    """Return the error that carries a finding's words through pydantic; `load` gives it its place.

    `at_key` puts it at the key rather than at the value.
    """
    return PydanticCustomError("finding", "{what}", {"what": what, "why": why, "fix": fix, "at_key": at_key})


def check_each(value: Any, check: Callable[[str, Any], Any]) -> Any:
    """Return the mapping with each value as `check(key, value)` returns it; all that it raises is raised together.

    What is no mapping is returned as it is, for pydantic to judge.
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
    """Return `value` as it may stand in a message: never the text behind a reference, nor what looks like a secret."""
    if isinstance(value, Referenced):
        return "the value of " + ", ".join(f"`${{{name}}}`" for name in value.names)
    if value is None or isinstance(value, bool):
        return f"`{kind_of(value)}`"
    text = MASK if _LOOKS_SECRET.fullmatch(str(value)) else str(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return f"`{text}`" if text else "the empty text"


def _is_made_up(value: object) -> bool:
    return isinstance(value, Referenced) and value.stand_in


def _digest(value: str, length: int) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:length]


def _printable(value: str) -> str:
    if any(ord(character) < 32 and character not in "\t\n" for character in value):
        raise finding(
            "a control character stands in a text",
            "it cannot be spoken, nor sent in TwiML",
            "remove it, or retype the text",
        )
    return value


Text = Annotated[str, BeforeValidator(lambda value: _printable(value) if isinstance(value, str) else value)]


def _whole(value: Any) -> Any:
    if isinstance(value, Referenced) and value.stand_in:
        raise PydanticUseDefault
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,15}", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise finding(
            f"{show(value)} is not a whole number",
            "digits are expected here",
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
    raise finding(f"{show(value)} is neither true nor false", "a switch is expected here", "write true or false")


Truth = Annotated[bool, BeforeValidator(_truth)]


def _choice(value: Any) -> Any:
    if _is_made_up(value):
        raise PydanticUseDefault
    return str(value) if isinstance(value, str) else value


# In front of a `Literal[...]`: takes the text out of a reference, and the default where a value is stood in for.
Choice = BeforeValidator(_choice)


def _secret(value: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise finding("a secret has to be a text", "", "write a reference such as ${NAME}")
    if not isinstance(value, Referenced) or value.clear:
        raise finding(
            "a secret stands in the config in clear text",
            "who can read the file, or its history, has the secret; so does a default inside `${NAME:-...}`",
            "write ${NAME}, and set NAME in the environment or in .env (which is not committed)",
        )
    if len(value) < SHORTEST_SECRET:
        raise finding(
            f"a secret has fewer than {SHORTEST_SECRET} characters",
            f"{show(value)} is too short to be safe, and cannot be masked in logs",
            "use a longer secret",
        )
    if any(ord(character) < 32 for character in value):
        raise finding(
            "a secret has a control character in it",
            f"{show(value)} spans lines, or was cut badly",
            "set it again, on one line",
        )
    return Secret(str(value))


SecretText = Annotated[
    Secret,
    PlainValidator(_secret),
    WithJsonSchema({"type": "string", "pattern": r"^(\$\{[^}]*\})*$", "writeOnly": True}),
]


def _identifier(value: Any) -> Secret:
    """An id that is sent like a secret but may be written in clear (ASAPP's API id)."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise finding(f"{show(value)} is not a text", "an id is expected here", f'put quotes round it: "{value}"')
    if not value.strip() or any(ord(character) < 33 for character in value):
        raise finding(
            "an id is empty or has blanks in it",
            "it is sent as an HTTP header",
            "write the id as ASAPP gave it",
        )
    return Secret(str(value))


ApiId = Annotated[Secret, PlainValidator(_identifier), WithJsonSchema({"type": "string", "minLength": 1})]


def require_text(value: Any) -> None:
    """Raise the error of a value that is no text; `explain` says how to quote what is written."""
    if not isinstance(value, str):
        raise PydanticCustomError("not_a_text", "a text is expected")


def kind_of(value: object) -> str:
    """Return what YAML made of a value, in words: `a number`, `true`, `a list`."""
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


def check_phone_number(value: Any) -> str:
    """Return a number in E.164 form; raise a finding otherwise."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise finding(
            f"the number {value} has no quotes",
            "YAML reads it as a whole number and drops the +",
            f'write "+{value}", in quotes',
        )
    require_text(value)
    if re.fullmatch(r"\+[1-9]\d{6,14}", value):
        return str(value)
    if _is_made_up(value):
        return "+1500555" + str(int(_digest(value, 8), 16) % 10_000).zfill(4)
    raise finding(
        f"{show(value)} is not a phone number in E.164 form",
        "Twilio needs a plus sign, the country code and the number, 7 to 15 digits without blanks or dashes",
        'write it like "+15550100001"',
    )


PhoneNumber = Annotated[
    str, BeforeValidator(check_phone_number), WithJsonSchema({"type": "string", "pattern": r"^\+[1-9]\d{6,14}$"})
]


def check_url(value: Any, info: ValidationInfo) -> str:
    """Return an https URL without user and password; http only to loopback and only in local mode."""
    require_text(value)
    problem = _url_problem(value, local=bool((info.context or {}).get("local")))
    if problem is None:
        return str(value)
    if _is_made_up(value):
        return f"https://{_digest(value, 12)}.invalid/"
    raise problem


def _url_problem(value: str, *, local: bool) -> PydanticCustomError | None:
    if re.search(r"[\s<>\"{}|\\^`\x00-\x1f]", value) or len(value) > 2048:
        return finding(
            f"{show(value)} is not a URL",
            "it has blanks or characters that a URL cannot have, or is too long",
            "percent-encode them",
        )
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return finding(f"{show(value)} is not a URL", str(error), "write it like https://host/path")
    if parts.username is not None or parts.password is not None:
        return finding(
            "a URL has a user or password in it",
            "they would stand in TwiML and in Twilio's logs",
            "authenticate in another way",
        )
    if parts.scheme == "http" and not (local and _LOOPBACK.fullmatch(host or "")):
        return finding(
            f"{show(value)} is not encrypted",
            "http:// would carry callers' data in clear",
            "use https:// (http:// to this machine works with --local)",
        )
    if parts.scheme not in {"https", "http"} or not host:
        return finding(
            f"{show(value)} is not an https URL",
            "a whole URL is expected here",
            "write it like https://host/path",
        )
    return None


HttpsUrl = Annotated[str, BeforeValidator(check_url), WithJsonSchema({"type": "string", "pattern": "^https://"})]


def _api_host(value: Any, info: ValidationInfo) -> str:
    require_text(value)
    written = value.strip().rstrip("/")
    url = written if "://" in written else f"https://{written}"
    problem = _url_problem(url, local=bool((info.context or {}).get("local"))) or _host_problem(url, value)
    if problem is None:
        return url.lower()
    if _is_made_up(value):
        return f"https://{_digest(value, 12)}.invalid"
    raise problem


def _host_problem(url: str, value: str) -> PydanticCustomError | None:
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    if re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9a-f:]+\]", host) and url == f"{parts.scheme}://{parts.netloc}":
        return None
    return finding(
        f"{show(value)} is not a host",
        "only ASAPP's host belongs here; ga-deploy adds the paths",
        "write it like https://api.asapp.com",
    )


ApiHost = Annotated[
    str,
    BeforeValidator(_api_host),
    WithJsonSchema({"type": "string", "minLength": 1, "not": {"pattern": "^http://"}}),
]


def _sip_uri(value: Any) -> str:
    require_text(value)
    if re.fullmatch(r"sips?:[^\s@:/<>\"?]+@[A-Za-z0-9.\-\[\]:]+(;[^\s?<>\"]*)?", value) and len(value) <= 255:
        return str(value)
    if _is_made_up(value):
        return f"sip:local@{_digest(value, 12)}.invalid"
    if re.match(r"sips?:[^@]*:[^@]*@", value):
        raise finding(
            "a SIP address has a password in it",
            "it would stand in TwiML and in logs",
            "use `username` and `password` beside `sip`",
        )
    if "?" in value:
        raise finding(f"{show(value)} has headers in it", "an address has none", "use `headers` beside `sip`")
    raise finding(
        f"{show(value)} is not a SIP address",
        "it needs a user and a host",
        'write it like "sip:queue@pbx.example.com"',
    )


SipUri = Annotated[str, BeforeValidator(_sip_uri), WithJsonSchema({"type": "string", "pattern": "^sips?:[^@]+@.+"})]


def _sid(prefix: str, name: str) -> BeforeValidator:
    def check(value: Any) -> str:
        require_text(value)
        if re.fullmatch(prefix + r"[0-9a-fA-F]{32}", value):
            return str(value)
        if _is_made_up(value):
            return prefix + _digest(value, 32)
        raise finding(
            f"{show(value)} is not the SID of {name}",
            f"it has to be {prefix} and 32 hexadecimal digits",
            "copy it from the Twilio Console",
        )

    return BeforeValidator(check)


def _sid_schema(prefix: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{prefix}[0-9a-fA-F]{{32}}$"})


AccountSid = Annotated[str, _sid("AC", "an account"), _sid_schema("AC")]
ApiKeySid = Annotated[str, _sid("SK", "an API key"), _sid_schema("SK")]
WorkflowSid = Annotated[str, _sid("WW", "a TaskRouter workflow"), _sid_schema("WW")]
FlowSidText = Annotated[str, _sid("FW", "a Studio flow"), _sid_schema("FW")]


def pattern(
    regex: str, what: str, why: str, fix: str, *, stand_in: str = "local"
) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return validators for a text that has to match `regex` as a whole; `what` follows the value in the message."""

    def check(value: Any) -> str:
        require_text(value)
        if re.fullmatch(regex, value):
            return str(value)
        if _is_made_up(value):
            return stand_in
        raise finding(f"{show(value)} {what}", why, fix)

    return BeforeValidator(check), WithJsonSchema({"type": "string", "pattern": f"^(?:{regex})$"})
