"""Sync v1: its services, and what documents, maps and items have in common. Lists and streams are not here.

Sources: Twilio's description (twilio_sync_v1); docs Document Resource, Mutation and Conflict Resolution, and the
pages of the errors 54xxx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import ApiRequest, ApiResponse, Routes, created, iso, ok, unknown
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import ApiError, invalid, missing
from ga_deploy.emulator.core.store import Row, new_sid, to_json
from ga_deploy.strict_json import read_json

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend

routes = Routes("sync")

LARGEST_DATA = 16 * 1024
LONGEST_NAME = 320
LONGEST_TTL = 31_536_000
# The description caps the page size of Sync at 100.
LARGEST_PAGE = 100


def find_service(backend: Backend, request: ApiRequest) -> Row:
    """Return the service of the path; every account has one that is called `default` too."""
    sid = request.at["service"]
    found = backend.store.one("sync_services", account=request.account.sid, sid=sid)
    if found is None and sid == "default":
        found = backend.store.one("sync_services", account=request.account.sid, is_default=1)
        found = found or _add_service(backend, request.account.sid, "Default Service", is_default=True)
    if found is None:
        raise unknown(request.path)
    return found


def _add_service(backend: Backend, account: str, friendly_name: str | None, *, is_default: bool) -> Row:
    now = backend.store.now()
    row = {"sid": new_sid("IS"), "account": account, "friendly_name": friendly_name, "is_default": int(is_default)}
    return backend.store.insert("sync_services", {**row, "created": now, "updated": now})


def _service_json(request: ApiRequest, row: Row) -> dict[str, Any]:
    url = request.url("v1", "Services", row["sid"])
    return {
        "sid": row["sid"],
        "unique_name": "default" if row["is_default"] else None,
        "account_sid": row["account"],
        "friendly_name": row["friendly_name"],
        "date_created": iso(row["created"]),
        "date_updated": iso(row["updated"]),
        "url": url,
        "webhook_url": None,
        "webhooks_from_rest_enabled": False,
        "reachability_webhooks_enabled": False,
        "acl_enabled": False,
        "reachability_debouncing_enabled": False,
        "reachability_debouncing_window": 5000,
        "links": {name: f"{url}/{name.title()}" for name in ("documents", "maps")},
    }


@routes.on("GET", "/v1/Services")
def list_services(backend: Backend, request: ApiRequest) -> ApiResponse:
    """All Sync services of the account."""
    where = {"account": request.account.sid}
    return list_rows(backend, request, "services", _service_json, where, table="sync_services", largest=LARGEST_PAGE)


@routes.on("POST", "/v1/Services")
def create_service(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make a Sync service."""
    row = _add_service(backend, request.account.sid, request.text("FriendlyName"), is_default=False)
    return created(_service_json(request, row))


@routes.on("GET", "/v1/Services/{service}")
def fetch_service(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One service, or `default`."""
    return ok(_service_json(request, find_service(backend, request)))


def alive(backend: Backend, table: str, row: Row | None) -> Row | None:
    """Return the row unless it has expired and is swept up by now; an expired one may be seen for a while."""
    if row is None or row["expires"] is None or backend.store.now() < row["expires"] + backend.rules.keep_expired:
        return row
    backend.store.delete(table, seq=row["seq"])
    return None


def read_data(request: ApiRequest, *, required: bool) -> str | None:
    """Return `Data` as kept: compact JSON of an object, at most 16 KiB."""
    raw = request.text("Data")
    if raw is None:
        if required:
            raise missing("Data")
        return None
    if len(raw.encode()) > LARGEST_DATA:
        raise ApiError(413, 54006, "Request entity too large: data is limited to 16 KB")
    try:
        read = read_json(raw)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise invalid("Data is not a JSON object", 54008)
    return to_json(read)


def read_expiry(backend: Backend, request: ApiRequest, *names: str) -> dict[str, float | None]:
    """Return the change of `expires` that a request asks for: nothing sent, nothing changed; 0 means for ever."""
    for name in names:
        seconds = request.whole(name)
        if seconds is not None:
            if seconds > LONGEST_TTL:
                raise invalid(f"{name} must be from 0 to {LONGEST_TTL}", 54011)
            return {"expires": backend.store.now() + seconds if seconds else None}
    return {}


def check_revision(request: ApiRequest, row: Row, code: int) -> None:
    """Refuse a change that was made from an older revision."""
    if request.if_match is not None and request.if_match.strip('"') != revision_of(row):
        raise ApiError(412, code, "The revision of the object does not match the one expected")


def revision_of(row: Row) -> str:
    """Return a revision as clients see it: a text they may only compare."""
    return format(row["revision"], "x")


def common_json(row: Row) -> dict[str, Any]:
    """Return what documents, maps and items have in common."""
    return {
        "account_sid": row["account"],
        "service_sid": row["service"],
        "revision": revision_of(row),
        "date_expires": iso(row["expires"]),
        "date_created": iso(row["created"]),
        "date_updated": iso(row["updated"]),
        "created_by": "system",
    }


def read_unique_name(request: ApiRequest) -> str | None:
    """Return the unique name that a request asks for, None for no name."""
    name = request.text("UniqueName") or None
    if name is not None and len(name) > LONGEST_NAME:
        raise invalid(f"UniqueName is too long: at most {LONGEST_NAME} characters are allowed", 54302)
    return name


def find_named(backend: Backend, request: ApiRequest, table: str, name: str, code: int) -> Row:
    """Return a document or map by SID or unique name; raises its own 404."""
    service = find_service(backend, request)
    given = request.at[name]
    row = backend.store.one(table, service=service["sid"], sid=given)
    row = alive(backend, table, row or backend.store.one(table, service=service["sid"], unique_name=given))
    if row is None:
        raise ApiError(404, code, f"{name.title()} not found")
    return row


def change(backend: Backend, request: ApiRequest, table: str, row: Row, *ttl_names: str) -> Row:
    """Store what a request changes of a document or an item, and return the row as it is then."""
    data, expiry = read_data(request, required=False), read_expiry(backend, request, *ttl_names)
    if data is None and not expiry:
        raise invalid("Nothing to change: neither Data nor Ttl was given", 54010)
    changes: Row = {"updated": backend.store.now(), **expiry, "revision": row["revision"] + 1}
    if data is not None:
        changes["data"] = data
    backend.store.update(table, row["seq"], changes)
    return {**row, **changes}
