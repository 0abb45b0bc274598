"""Serverless v1: functions and assets, which are containers of versions, and the upload of versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ga_deploy.emulator.core.api import NO_CONTENT, ApiRequest, ApiResponse, Routes, created, iso, ok, unknown
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import invalid, missing
from ga_deploy.emulator.core.store import Row, new_sid
from ga_deploy.emulator.serverless.services import find_service, lower_hex

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend

routes = Routes("serverless")
upload_routes = Routes("serverless-upload")

# How a kind of container is called in paths, and what its versions are called in answers.
COLLECTIONS = {"function": "Functions", "asset": "Assets"}


def container_json(request: ApiRequest, row: Row) -> dict[str, object]:
    """Return a function or an asset as Twilio shows it."""
    url = request.url("v1", "Services", row["service"], COLLECTIONS[row["kind"]], row["sid"])
    return {
        "sid": row["sid"],
        "account_sid": row["account"],
        "service_sid": row["service"],
        "friendly_name": row["friendly_name"],
        "date_created": iso(row["created"]),
        "date_updated": iso(row["updated"]),
        "url": url,
        "links": {f"{row['kind']}_versions": f"{url}/Versions"},
    }


def _find_container(backend: Backend, request: ApiRequest, kind: str) -> Row:
    service = find_service(backend, request)
    row = backend.store.one("containers", service=service["sid"], kind=kind, sid=lower_hex(request.at["container"]))
    if row is None:
        raise unknown(request.path)
    return row


def version_json(request: ApiRequest, row: Row) -> dict[str, object]:
    """Return a function's or an asset's version as Twilio shows it. Versions have no `date_updated`."""
    kind = row["kind"]
    url = request.url("v1", "Services", row["service"], COLLECTIONS[kind], row["container"], "Versions", row["sid"])
    # The upload host is not where versions are read.
    url = url.replace("serverless-upload", "serverless", 1)
    answer = {
        "sid": row["sid"],
        "account_sid": row["account"],
        "service_sid": row["service"],
        f"{kind}_sid": row["container"],
        "path": row["path"],
        "visibility": row["visibility"],
        "date_created": iso(row["created"]),
        "url": url,
    }
    return {**answer, "links": {"function_version_content": f"{url}/Content"}} if kind == "function" else answer


def _register_containers(kind: str) -> None:
    """Register the endpoints that functions and assets have in common."""
    collection = COLLECTIONS[kind]
    root, one = f"/v1/Services/{{service}}/{collection}", f"/v1/Services/{{service}}/{collection}/{{container:ZH}}"

    @routes.on("GET", root)
    def list_containers(backend: Backend, request: ApiRequest) -> ApiResponse:
        where = {"service": find_service(backend, request)["sid"], "kind": kind}
        return list_rows(backend, request, f"{kind}s", container_json, where, table="containers")

    @routes.on("POST", root)
    def create_container(backend: Backend, request: ApiRequest) -> ApiResponse:
        service = find_service(backend, request)
        name = request.required("FriendlyName", longest=255)
        return created(container_json(request, add_container(backend, service, kind, name)))

    @routes.on("GET", one)
    def fetch_container(backend: Backend, request: ApiRequest) -> ApiResponse:
        return ok(container_json(request, _find_container(backend, request, kind)))

    @routes.on("POST", one)
    def update_container(backend: Backend, request: ApiRequest) -> ApiResponse:
        row = _find_container(backend, request, kind)
        changes = {"friendly_name": request.required("FriendlyName", longest=255), "updated": backend.store.now()}
        backend.store.update("containers", row["seq"], changes)
        return ok(container_json(request, {**row, **changes}))

    @routes.on("DELETE", one)
    def delete_container(backend: Backend, request: ApiRequest) -> ApiResponse:
        row = _find_container(backend, request, kind)
        # Issue toolkit#148: not while any existing build holds one of its versions.
        held = backend.store.query(
            "SELECT 1 FROM build_versions b JOIN versions v ON v.sid=b.version WHERE v.container=? LIMIT 1", row["sid"]
        )
        if held:
            raise invalid(f"Cannot delete {kind.title()} because it's part of an active Build.")
        backend.store.delete("containers", sid=row["sid"])
        return NO_CONTENT

    @routes.on("GET", f"{one}/Versions")
    def list_versions(backend: Backend, request: ApiRequest) -> ApiResponse:
        where = {"container": _find_container(backend, request, kind)["sid"]}
        return list_rows(backend, request, f"{kind}_versions", version_json, where, table="versions")

    @routes.on("GET", f"{one}/Versions/{{version:ZN}}")
    def fetch_version(backend: Backend, request: ApiRequest) -> ApiResponse:
        return ok(version_json(request, _find_version(backend, request, kind)))

    @upload_routes.on("POST", f"{one}/Versions")
    def create_version(backend: Backend, request: ApiRequest) -> ApiResponse:
        container = _find_container(backend, request, kind)
        upload = request.files.get("Content")
        if upload is None:
            raise missing("Content")
        row = add_version(
            backend,
            container,
            path=request.required("Path"),
            visibility=request.required("Visibility"),
            content=upload.content,
            content_type=upload.content_type,
        )
        return created(version_json(request, row))


def _find_version(backend: Backend, request: ApiRequest, kind: str) -> Row:
    container = _find_container(backend, request, kind)
    row = backend.store.one("versions", container=container["sid"], sid=lower_hex(request.at["version"]))
    if row is None:
        raise unknown(request.path)
    return row


for _kind in COLLECTIONS:
    _register_containers(_kind)


@routes.on("GET", "/v1/Services/{service}/Functions/{container:ZH}/Versions/{version:ZN}/Content")
def fetch_content(backend: Backend, request: ApiRequest) -> ApiResponse:
    """The source text of a function's version; assets have no such thing."""
    row = _find_version(backend, request, "function")
    shown = version_json(request, row)
    kept = {name: shown[name] for name in ("sid", "account_sid", "service_sid", "function_sid")}
    content = row["content"].decode("utf-8", errors="replace")
    return ok({**kept, "content": content, "url": f"{shown['url']}/Content"})


def add_container(backend: Backend, service: Row, kind: str, friendly_name: str) -> Row:
    """Make a function or an asset. Friendly names need not be unique."""
    now = backend.store.now()
    return backend.store.insert(
        "containers",
        {
            "sid": new_sid("ZH"),
            "account": service["account"],
            "service": service["sid"],
            "kind": kind,
            "friendly_name": friendly_name,
            "created": now,
            "updated": now,
        },
    )


# Docs: a function's code is about 1 MB at most; Assets: 25 MB each, private ones 10 MB.
_LARGEST = {("function", "any"): 1 << 20, ("asset", "private"): 10 << 20, ("asset", "any"): 25 << 20}


def add_version(
    backend: Backend, container: Row, *, path: str, visibility: str, content: bytes, content_type: str | None = None
) -> Row:
    """Make a version of a function or an asset; immutable, even when the bytes are those of the last one."""
    path = path if path.startswith("/") else f"/{path}"
    if len(path) > 255:
        raise invalid("Path is too long: at most 255 characters are allowed")
    if re.search(r"[;,?:@+&$()'\"\s#]", path):
        raise invalid(f"Path contains invalid characters: {path}")
    if visibility not in {"public", "protected", "private"}:
        raise invalid(f"Visibility must be one of public, protected, private: {visibility}")
    kind = container["kind"]
    largest = _LARGEST.get((kind, visibility), _LARGEST[kind, "any"])
    if len(content) > largest:
        raise invalid(f"Content is too large: {len(content)} bytes, at most {largest} are allowed")
    return backend.store.insert(
        "versions",
        {
            "sid": new_sid("ZN"),
            "account": container["account"],
            "service": container["service"],
            "container": container["sid"],
            "kind": kind,
            "path": path,
            "visibility": visibility,
            "content": content,
            "content_type": content_type,
            "created": backend.store.now(),
        },
    )
