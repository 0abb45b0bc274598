"""Sync v1: documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import NO_CONTENT, ApiRequest, ApiResponse, Routes
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import conflict
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

_DOCUMENTS = "/v1/Services/{service}/Documents"


def _document_answer(request: ApiRequest, row: Row, status: int = 200) -> ApiResponse:
    return ApiResponse(status, _document_json(request, row), {"ETag": revision_of(row)})


def _document_json(request: ApiRequest, row: Row) -> dict[str, Any]:
    url = request.url("v1", "Services", row["service"], "Documents", row["sid"])
    own = {"sid": row["sid"], "unique_name": row["unique_name"], "data": json.loads(row["data"])}
    return {**own, **common_json(row), "url": url, "links": {"permissions": f"{url}/Permissions"}}


@routes.on("GET", _DOCUMENTS)
def list_documents(backend: Backend, request: ApiRequest) -> ApiResponse:
    """All documents of a service, oldest first."""
    where = {"service": find_service(backend, request)["sid"]}
    return list_rows(backend, request, "documents", _document_json, where, newest_first=False, largest=LARGEST_PAGE)


@routes.on("POST", _DOCUMENTS)
def create_document(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make a document. Of several at once with the same unique name exactly one gets 201."""
    service, name = find_service(backend, request), read_unique_name(request)
    data = read_data(request, required=False)
    present = None if name is None else backend.store.one("documents", service=service["sid"], unique_name=name)
    if alive(backend, "documents", present) is not None:
        raise conflict("An object with the given unique name already exists", 54301)
    now = backend.store.now()
    row = {
        "sid": new_sid("ET"),
        "account": service["account"],
        "service": service["sid"],
        "unique_name": name,
        "revision": 0,
        "data": data or "{}",
        "expires": None,
        "created": now,
        "updated": now,
        **read_expiry(backend, request, "Ttl"),
    }
    return _document_answer(request, backend.store.insert("documents", row), 201)


@routes.on("GET", f"{_DOCUMENTS}/{{document}}")
def fetch_document(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One document, by SID or unique name; its revision is the ETag."""
    return _document_answer(request, find_named(backend, request, "documents", "document", 54100))


@routes.on("POST", f"{_DOCUMENTS}/{{document}}")
def update_document(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Replace the data, the time to live or both; with `If-Match` only from that revision."""
    row = find_named(backend, request, "documents", "document", 54100)
    check_revision(request, row, 54103)
    return _document_answer(request, change(backend, request, "documents", row, "Ttl"))


@routes.on("DELETE", f"{_DOCUMENTS}/{{document}}")
def delete_document(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Remove a document, whatever its revision: the description has no `If-Match` here."""
    row = find_named(backend, request, "documents", "document", 54100)
    backend.store.delete("documents", sid=row["sid"])
    return NO_CONTENT
