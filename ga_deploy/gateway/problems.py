"""From what Twilio (or the network) said to what a user can act on: what happened, why, and how to fix it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.errors import ApiProblem, Conflict, Denied, NotFound, Throttled
from ga_deploy.gateway.advice import CODES, MESSAGES
from ga_deploy.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.gateway.endpoints import Endpoints


_VERBS = {"GET": "read", "POST": "create", "DELETE": "delete"}

# Last collection in a path ▸ (one of them, all of them).
_THINGS = {
    "Services": ("the service", "the services"),
    "Environments": ("the environment", "the environments"),
    "Functions": ("the function", "the functions"),
    "Assets": ("the asset", "the assets"),
    "Versions": ("the version", "the versions"),
    "Content": ("the source of a version", "the source of a version"),
    "Builds": ("the build", "the builds"),
    "Status": ("the build's status", "the build's status"),
    "Variables": ("the variable", "the variables"),
    "Deployments": ("the deployment", "the deployments"),
    "Logs": ("the log entry", "the logs"),
    "IncomingPhoneNumbers": ("the phone number", "the phone numbers"),
    "Accounts": ("the account", "the accounts"),
    "Documents": ("the Sync document", "the Sync documents"),
    "Maps": ("the Sync map", "the Sync maps"),
    "Items": ("the Sync map item", "the Sync map items"),
    "Flows": ("the Studio flow", "the Studio flows"),
    "Revisions": ("the flow revision", "the flow revisions"),
    "Validate": ("the flow definition", "the flow definition"),
    "Calls": ("the call", "the calls"),
}


class AccessDenied(ApiProblem, Denied):
    """401 or 403: an ApiProblem that ends with exit code 4."""


class RevisionMoved(Conflict):
    """412: somebody changed the Sync object since it was read."""


def describe_request(method: str, path: str) -> str:
    """Return what a request is for, such as "create the build", from its method and path."""
    parts = [part.removesuffix(".json") for part in path.split("/") if part]
    index = next((i for i in range(len(parts) - 1, -1, -1) if parts[i] in _THINGS), None)
    if index is None:
        return f"{method} {path}"
    one, many = _THINGS[parts[index]]
    has_id = index < len(parts) - 1
    if parts[index] == "Validate":
        return f"validate {one}"
    if method == "POST":
        return f"update {one}" if has_id else f"create {one}"
    return f"{_VERBS.get(method, method.lower())} {one if has_id else many}"


@dataclass(frozen=True)
class Refusal:
    """What an error answer said; every part may be missing."""

    message: str = ""
    code: int | None = None
    details: object = None


def read_refusal(body: bytes) -> Refusal:
    """Read an error body: Twilio's, the variant of its front door (`moreInfo`), RFC 9457's, or none at all.

    Never raises; what is not a JSON object (a proxy's HTML page) says nothing.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal()
    if not isinstance(payload, dict):
        return Refusal()
    said = [payload.get(key) for key in ("message", "title", "detail")]
    texts = list(dict.fromkeys(text.strip() for text in said if isinstance(text, str) and text.strip()))
    code = payload.get("code")
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:9])
    known = code if isinstance(code, int) and not isinstance(code, bool) else None
    return Refusal(redact("; ".join(texts))[:600], known, payload.get("details") or payload.get("errors"))


def make_problem(
    method: str,
    url: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    endpoints: Endpoints,
) -> ApiProblem:
    """Return the error for an answer of status 400 or more (or a redirect, which is never followed)."""
    refusal = read_refusal(body)
    request_id = read_request_id(headers)
    why, fix = _explain(status, refusal, url, endpoints)
    marks = [f"code {refusal.code}" if refusal.code else f"HTTP {status}"]
    if request_id:
        marks.append(f"request {request_id}")
    return _class_for(status, refusal.code)(
        f"Twilio refused to {describe_request(method, urlsplit(url).path)}",
        status=status,
        code=refusal.code,
        why=redact("\n".join([f"{why} ({', '.join(marks)})", *list_details(refusal.details)])),
        fix=fix,
        request_id=request_id,
    )


def read_request_id(headers: Mapping[str, str]) -> str | None:
    """Return Twilio's id for a request (`RQ…`), if the answer names one of a sane form."""
    for name, value in headers.items():
        if name.lower() == "twilio-request-id":
            return value if re.fullmatch(r"[\w-]{1,64}", value) else None
    return None


def list_details(details: object, most: int = 10) -> list[str]:
    """Return the single complaints of an answer's `details` or `errors`, e.g. Studio's: `states[0].name: is missing`.

    Twilio: `{"errors": [{"message", "property_path"}]}`; RFC 9457: `[{"detail", "pointer"}]`.
    """
    listed = details.get("errors") if isinstance(details, dict) else details
    told = []
    for complaint in listed if isinstance(listed, list) else []:
        if not isinstance(complaint, dict):
            continue
        message = complaint.get("message") or complaint.get("detail")
        place = complaint.get("property_path") or complaint.get("pointer")
        if isinstance(message, str):
            told.append(redact(f"{place}: {message}" if isinstance(place, str) else message)[:300])
    return [*told[:most], *([f"and {len(told) - most} more"] if len(told) > most else [])]


def _class_for(status: int, code: int | None) -> type[ApiProblem]:
    if status in {401, 403}:
        return AccessDenied
    if status == 404:
        return NotFound
    if status == 409 or code in {54301, 54208}:
        return Conflict
    if status == 412 or code in {54103, 54205}:
        return RevisionMoved
    return Throttled if status == 429 else ApiProblem


def _explain(status: int, refusal: Refusal, url: str, endpoints: Endpoints) -> tuple[str, str]:
    """Return why and fix: by the message if it is a known one, then by the code, then by the status."""
    for advice in MESSAGES:
        found = advice.message.search(refusal.message)
        if found:
            groups = [(group or "").strip("`'\".,") for group in found.groups()]
            return advice.why.format(*groups), advice.fix.format(*groups)
    code = refusal.code
    if code is None or code not in CODES:
        code = {401: 20003, 403: 20403, 404: 20404, 429: 20429, 503: 20503}.get(status)
        if code is None and status >= 500:
            code = 20500
    if 300 <= status < 400:
        return _explain_redirect(url)
    if code is None:
        said = f"Twilio says: {refusal.message}" if refusal.message else "the answer gives no reason"
        return said, "correct what Twilio names, then run the command again"
    why, fix = CODES[code]
    if status == 401:
        fix += _region_hint(endpoints)
    said = f'; Twilio says: "{refusal.message}"' if refusal.message else _not_twilio(refusal, status)
    return why + said, fix


def _explain_redirect(url: str) -> tuple[str, str]:
    host = urlsplit(url).hostname
    return (
        f"{host} answered with a redirect, which is not followed: it would carry the credentials elsewhere",
        "check HTTPS_PROXY and what answers for Twilio's hosts on this network (a login page?)",
    )


def _region_hint(endpoints: Endpoints) -> str:
    if endpoints.region:
        return (
            f"; TWILIO_REGION/TWILIO_EDGE choose {endpoints.describe()}, which has credentials of its own: "
            "unset both if the account's credentials are those of the United States"
        )
    return "; credentials made for another region need TWILIO_REGION and TWILIO_EDGE"


def _not_twilio(refusal: Refusal, status: int) -> str:
    if refusal.code is None and status >= 400:
        return "; the answer is not in Twilio's form, so a proxy or gateway on the way may have given it"
    return ""
