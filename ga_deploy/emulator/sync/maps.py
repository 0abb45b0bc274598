"""Sync v1: maps and their items."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import NO_CONTENT, ApiRequest, ApiResponse, Routes, created, ok
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import ApiError, conflict, invalid
from ga_deploy.emulator.core.store import Row, new_sid
from ga_deploy.emulator.sync.services import (
    LARGEST_PAGE,
    alive,
    change,
    check_revision,
    common_json,
    find_named,
    find_service,
    read_data,
    read_expiry,
    read_unique_name,
    revision_of,
)

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend

routes = Routes("sync")

_MAPS = "/v1/Services/{service}/Maps"


def _map_json(request: ApiRequest, row: Row) -> dict[str, Any]:
    url = request.url("v1", "Services", row["service"], "Maps", row["sid"])
    links = {"items": f"{url}/Items", "permissions": f"{url}/Permissions"}
    return {"sid": row["sid"], "unique_name": row["unique_name"], **common_json(row), "url": url, "links": links}


@routes.on("GET", _MAPS)
def list_maps(backend: Backend, request: ApiRequest) -> ApiResponse:
    """All maps of a service, oldest first."""
    where = {"service": find_service(backend, request)["sid"]}
    return list_rows(backend, request, "maps", _map_json, where, newest_first=False, largest=LARGEST_PAGE)


@routes.on("POST", _MAPS)
def create_map(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make a map."""
    service, name = find_service(backend, request), read_unique_name(request)
    present = None if name is None else backend.store.one("maps", service=service["sid"], unique_name=name)
    if alive(backend, "maps", present) is not None:
        raise conflict("An object with the given unique name already exists", 54301)
    now = backend.store.now()
    row = {
        "sid": new_sid("MP"),
        "account": service["account"],
        "service": service["sid"],
        "unique_name": name,
        "revision": 0,
        "expires": None,
        "created": now,
        "updated": now,
        **read_expiry(backend, request, "Ttl", "CollectionTtl"),
    }
    return created(_map_json(request, backend.store.insert("maps", row)))


@routes.on("GET", f"{_MAPS}/{{map}}")
def fetch_map(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One map, by SID or unique name."""
    return ok(_map_json(request, find_named(backend, request, "maps", "map", 54200)))


@routes.on("POST", f"{_MAPS}/{{map}}")
def update_map(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Change the time to live of a map."""
    row = find_named(backend, request, "maps", "map", 54200)
    changes: Row = {"updated": backend.store.now(), **read_expiry(backend, request, "Ttl", "CollectionTtl")}
    backend.store.update("maps", row["seq"], changes)
    return ok(_map_json(request, {**row, **changes}))


@routes.on("DELETE", f"{_MAPS}/{{map}}")
def delete_map(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Remove a map with all its items."""
    backend.store.delete("maps", sid=find_named(backend, request, "maps", "map", 54200)["sid"])
    return NO_CONTENT


_ITEMS = f"{_MAPS}/{{map}}/Items"


def _item_json(request: ApiRequest, row: Row) -> dict[str, Any]:
    url = request.url("v1", "Services", row["service"], "Maps", row["map"], "Items", row["key"])
    return {"key": row["key"], "map_sid": row["map"], "data": json.loads(row["data"]), **common_json(row), "url": url}


def _item_answer(request: ApiRequest, row: Row, status: int = 200) -> ApiResponse:
    return ApiResponse(status, _item_json(request, row), {"ETag": revision_of(row)})


def _item(backend: Backend, request: ApiRequest) -> Row:
    found = backend.store.one(
        "items", map=find_named(backend, request, "maps", "map", 54200)["sid"], key=request.at["key"]
    )
    row = alive(backend, "items", found)
    if row is None:
        raise ApiError(404, 54201, "Map Item not found")
    return row


@routes.on("GET", _ITEMS)
def list_items(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Items of a map in the order of their keys; `Order`, `From` and `Bounds` as the description has them."""
    holder, descending = find_named(backend, request, "maps", "map", 54200), request.asked("Order") == "desc"
    conditions = []
    if (start := request.asked("From")) is not None:
        inclusive = "" if request.asked("Bounds") == "exclusive" else "="
        conditions = [(f"key {'<' if descending else '>'}{inclusive} ?", start)]
    return list_rows(
        backend,
        request,
        "items",
        _item_json,
        {"map": holder["sid"]},
        conditions=conditions,
        order="key",
        newest_first=descending,
        largest=LARGEST_PAGE,
    )


@routes.on("POST", _ITEMS)
def create_item(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Put an item under a key that is not taken."""
    holder = find_named(backend, request, "maps", "map", 54200)
    key = request.required("Key")
    # The description says 320, the page of error 54209 says 256.
    if len(key) > 256:
        raise invalid("Key is too long: at most 256 characters are allowed", 54209)
    data = read_data(request, required=True)
    if alive(backend, "items", backend.store.one("items", map=holder["sid"], key=key)) is not None:
        raise conflict("An item with the given key already exists in the map", 54208)
    now = backend.store.now()
    row = {
        "account": holder["account"],
        "service": holder["service"],
        "map": holder["sid"],
        "key": key,
        "revision": 0,
        "data": data,
        "expires": None,
        "created": now,
        "updated": now,
        **read_expiry(backend, request, "Ttl", "ItemTtl"),
    }
    return _item_answer(request, backend.store.insert("items", row), 201)


@routes.on("GET", f"{_ITEMS}/{{key}}")
def fetch_item(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One item; its revision is the ETag."""
    return _item_answer(request, _item(backend, request))


@routes.on("POST", f"{_ITEMS}/{{key}}")
def update_item(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Replace data, time to live or both; with `If-Match` only from that revision."""
    row = _item(backend, request)
    check_revision(request, row, 54205)
    return _item_answer(request, change(backend, request, "items", row, "Ttl", "ItemTtl"))


@routes.on("DELETE", f"{_ITEMS}/{{key}}")
def delete_item(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Remove an item; with `If-Match` only that revision."""
    row = _item(backend, request)
    check_revision(request, row, 54205)
    backend.store.delete("items", seq=row["seq"])
    return NO_CONTENT
