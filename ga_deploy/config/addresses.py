"""Addresses: phone numbers, URLs, hosts, SIP addresses, SIDs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from ga_deploy.config.scalars import digest, finding, is_made_up, require_text, show
from ga_deploy.numbering_plan import find_impossible
from ga_deploy.twilio_rules.e164 import PATTERN as E164
from ga_deploy.twilio_rules.e164 import is_e164

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")


def check_phone_number(value: Any) -> str:
    """Return a number in E.164 form that can exist; raise a finding otherwise."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise finding(
            f"the number {value} has no quotes",
            "YAML reads it as a whole number and drops the +",
            f'write "+{value}", in quotes',
        )
    require_text(value)
    if is_e164(value):
        why = find_impossible(value)
        if why:
            raise finding(f"{show(value)} is not a phone number", why, "correct the number")
        return str(value)
    if is_made_up(value):
        return "+1500555" + str(int(digest(value, 8), 16) % 10_000).zfill(4)
    raise finding(
        f"{show(value)} is not a phone number in E.164 form",
        "Twilio needs a plus sign, the country code and the number, 7 to 15 digits without blanks or dashes",
        'write it like "+15550100001"',
    )


PhoneNumber = Annotated[
    str, BeforeValidator(check_phone_number), WithJsonSchema({"type": "string", "pattern": f"^{E164}$"})
]


def check_url(value: Any, info: ValidationInfo) -> str:
    """Return an https URL without user and password; http only to loopback and only in local mode."""
    require_text(value)
    problem = _url_problem(value, local=bool((info.context or {}).get("local")))
    if problem is None:
        return str(value)
    if is_made_up(value):
        return f"https://{digest(value, 12)}.invalid/"
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
            "they would be visible in TwiML and in Twilio's logs",
            "authenticate in another way",
        )
    if parts.scheme == "http" and not (local and _LOOPBACK.fullmatch(host or "")):
        return finding(
            f"{show(value)} is not encrypted",
            "http:// would send callers' data unencrypted",
            "use https:// (http:// to this machine works with --local)",
        )
    if parts.scheme not in {"https", "http"} or not host:
        return finding(
            f"{show(value)} is not an https URL",
            "it needs https://, a host and a path",
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
    if is_made_up(value):
        return f"https://{digest(value, 12)}.invalid"
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
    if is_made_up(value):
        return f"sip:local@{digest(value, 12)}.invalid"
    if re.match(r"sips?:[^@]*:[^@]*@", value):
        raise finding(
            "a SIP address has a password in it",
            "it would be visible in TwiML and in logs",
            "use `username` and `password` beside `sip`",
        )
    if "?" in value:
        raise finding(
            f"the SIP address {show(value)} has headers", "headers go beside the address", "use `headers` beside `sip`"
        )
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
        if is_made_up(value):
            return prefix + digest(value, 32)
        raise finding(
            f"{show(value)} is not the SID of {name}",
            f"it is {prefix} and 32 hexadecimal digits",
            "copy it from the Twilio Console",
        )

    return BeforeValidator(check)


def _sid_schema(prefix: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{prefix}[0-9a-fA-F]{{32}}$"})


AccountSid = Annotated[str, _sid("AC", "an account"), _sid_schema("AC")]
ApiKeySid = Annotated[str, _sid("SK", "an API key"), _sid_schema("SK")]
WorkflowSid = Annotated[str, _sid("WW", "a TaskRouter workflow"), _sid_schema("WW")]
FlowSidText = Annotated[str, _sid("FW", "a Studio flow"), _sid_schema("FW")]
