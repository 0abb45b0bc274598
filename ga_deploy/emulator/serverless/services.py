"""Serverless v1: services. What is in them has modules of its own, which add their paths to `routes`.

Rules and field lists: Twilio's OpenAPI description (twilio_serverless_v1) and docs pages named beside each rule.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from ga_deploy.emulator.core.api import NO_CONTENT, ApiRequest, ApiResponse, Routes, created, iso, ok, unknown
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import conflict, invalid
from ga_deploy.emulator.core.store import Row, new_sid

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend

routes = Routes("serverless")


def find_service(backend: Backend, request: ApiRequest) -> Row:
    """Return the service of the path, by SID or by unique name; raises 404.

    Twilio's description: `Sid` is "the SID or unique name"; nested paths carry no SID pattern, so a name works there
    too.
    """
    given = request.at["service"]
    row = backend.store.one("services", account=request.account.sid, sid=lower_hex(given)) or backend.store.one(
        "services", account=request.account.sid, unique_name=given
    )
    if row is None:
        raise unknown(request.path)
    return row


def lower_hex(sid: str) -> str:
    """Return a SID with its hex digits in lower case: the description's patterns accept both."""
    return sid[:2] + sid[2:].lower()


def service_json(request: ApiRequest, row: Row) -> dict[str, object]:
    """Return a service as Twilio shows it."""
    url = request.url("v1", "Services", row["sid"])
    return {
        "sid": row["sid"],
        "account_sid": row["account"],
        "friendly_name": row["friendly_name"],
        "unique_name": row["unique_name"],
        "include_credentials": bool(row["include_credentials"]),
        "ui_editable": bool(row["ui_editable"]),
        "domain_base": row["domain_base"],
        "date_created": iso(row["created"]),
        "date_updated": iso(row["updated"]),
        "url": url,
        "links": {name: f"{url}/{name.title()}" for name in ("environments", "functions", "assets", "builds")},
    }


@routes.on("GET", "/v1/Services")
def list_services(backend: Backend, request: ApiRequest) -> ApiResponse:
    """All services of the account, newest first."""
    return list_rows(backend, request, "services", service_json, {"account": request.account.sid})


@routes.on("POST", "/v1/Services")
def create_service(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make a service. Twilio docs, Create a Service: the unique name is for ever, 50 services an account."""
    unique_name = request.required("UniqueName", longest=50)
    friendly_name = request.required("FriendlyName", longest=255)
    if not re.fullmatch(r"[A-Za-z0-9-]+", unique_name):
        raise invalid("UniqueName may only contain letters, numbers, and dashes")
    include, editable = request.flag("IncludeCredentials"), request.flag("UiEditable")
    row = add_service(
        backend,
        request.account.sid,
        unique_name,
        friendly_name,
        include_credentials=True if include is None else include,
        ui_editable=bool(editable),
    )
    return created(service_json(request, row))


def add_service(
    backend: Backend,
    account: str,
    unique_name: str,
    friendly_name: str,
    *,
    include_credentials: bool,
    ui_editable: bool,
) -> Row:
    """Make a service of an account, unless its name is taken or the account has too many."""
    if backend.store.one("services", account=account, unique_name=unique_name):
        raise conflict(f"Service with unique name {unique_name} already exists")
    if backend.store.count("services", account=account) >= backend.rules.max_services:
        raise invalid(f"Services are limited to less than or equal to {backend.rules.max_services}")
    now = backend.store.now()
    return backend.store.insert(
        "services",
        {
            "sid": new_sid("ZS"),
            "account": account,
            "unique_name": unique_name,
            "friendly_name": friendly_name,
            "include_credentials": include_credentials,
            "ui_editable": ui_editable,
            "domain_base": _free_domain(backend, unique_name),
            "created": now,
            "updated": now,
        },
    )


def _free_domain(backend: Backend, unique_name: str) -> str:
    """Return the name with four digits that nobody has: a service made again has another URL (issue plugin-rtc#14)."""
    for _ in range(1000):
        # Not a secret: the digits only keep two domains apart.
        base = f"{unique_name.lower()}-{random.randint(1000, 9999)}"  # noqa: S311
        if backend.store.one("services", domain_base=base) is None:
            return base
    raise invalid(f"No domain is left for {unique_name}")


@routes.on("GET", "/v1/Services/{service}")
def fetch_service(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One service, by SID or unique name."""
    return ok(service_json(request, find_service(backend, request)))


@routes.on("POST", "/v1/Services/{service}")
def update_service(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Change what may change of a service: not its unique name."""
    row = find_service(backend, request)
    changes: Row = {}
    if (name := request.text("FriendlyName", longest=255)) is not None:
        changes["friendly_name"] = name
    if (include := request.flag("IncludeCredentials")) is not None:
        changes["include_credentials"] = include
    if (editable := request.flag("UiEditable")) is not None:
        changes["ui_editable"] = editable
    changes["updated"] = backend.store.now()
    backend.store.update("services", row["seq"], changes)
    backend.sites.refresh(service=row["sid"])
    return ok(service_json(request, {**row, **changes}))


@routes.on("DELETE", "/v1/Services/{service}")
def delete_service(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Remove a service with all that is in it; its domain is gone for ever."""
    row = find_service(backend, request)
    with backend.store.transaction():
        backend.store.delete("services", sid=row["sid"])
    backend.sites.refresh(service=row["sid"])
    return NO_CONTENT
