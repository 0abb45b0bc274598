"""Serverless v1: builds. A build really installs its dependencies and really compiles its functions.

The answer to a creation comes once the dependencies are known to exist, as Twilio refuses unknown ones at that point;
what fails later ends as `failed`, for which Twilio gives no reason in any field (issue toolkit#390).
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import NO_CONTENT, ApiRequest, ApiResponse, Routes, created, iso, ok, unknown
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import ApiError, invalid
from ga_deploy.emulator.core.store import Row, new_sid, to_json
from ga_deploy.emulator.serverless.services import find_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.emulator.core.backend import Backend

routes = Routes("serverless")

RUNTIME_HANDLER = "@twilio/runtime-handler"

_ROOT = "/v1/Services/{service}/Builds"


def status_of(backend: Backend, build: Row) -> str:
    """Return what a build's status looks like now: `building` until the work, the polls and the time are done."""
    done = build["outcome"] is not None and build["polls_left"] <= 0 and backend.store.now() >= build["ready_at"]
    return str(build["outcome"]) if done else "building"


def build_json(backend: Backend, request: ApiRequest, row: Row) -> dict[str, Any]:
    """Return a build as Twilio shows it: versions in no order, visibility in upper case (as in the description)."""
    url = request.url("v1", "Services", row["service"], "Builds", row["sid"])
    versions = versions_of(backend, row["sid"])
    random.shuffle(versions)
    return {
        "sid": row["sid"],
        "account_sid": row["account"],
        "service_sid": row["service"],
        "asset_versions": [_build_version(version) for version in versions if version["kind"] == "asset"],
        "function_versions": [_build_version(version) for version in versions if version["kind"] == "function"],
        "dependencies": [
            {"name": name, "version": version} for name, version in json.loads(row["dependencies"]).items()
        ]
        if backend.rules.tells_dependencies
        else None,
        "runtime": row["runtime"],
        "status": status_of(backend, row),
        "date_created": iso(row["created"]),
        "date_updated": iso(row["updated"]),
        "url": url,
        "links": {"build_status": f"{url}/Status"},
    }


def _build_version(row: Row) -> dict[str, Any]:
    return {
        "sid": row["sid"],
        "account_sid": row["account"],
        "service_sid": row["service"],
        f"{row['kind']}_sid": row["container"],
        "date_created": iso(row["created"]),
        "path": row["path"],
        "visibility": row["visibility"].upper(),
    }


def versions_of(backend: Backend, build_sid: str) -> list[Row]:
    """Return the versions in a build, oldest first, without their content."""
    return backend.store.query(
        "SELECT v.seq, v.sid, v.account, v.service, v.container, v.kind, v.path, v.visibility, v.created"
        " FROM versions v JOIN build_versions b ON b.version=v.sid WHERE b.build=? ORDER BY v.seq",
        build_sid,
    )


def _find(backend: Backend, request: ApiRequest) -> Row:
    service = find_service(backend, request)
    row = backend.store.one("builds", service=service["sid"], sid=request.at["build"])
    if row is None:
        raise unknown(request.path)
    return row


def _looked_at(backend: Backend, row: Row) -> Row:
    """Count a look at a build that is being waited for."""
    if row["polls_left"] > 0:
        row["polls_left"] -= 1
        backend.store.update("builds", row["seq"], {"polls_left": row["polls_left"]})
    return row


@routes.on("GET", _ROOT)
def list_builds(backend: Backend, request: ApiRequest) -> ApiResponse:
    """All builds of a service, newest first."""
    where = {"service": find_service(backend, request)["sid"]}
    return list_rows(backend, request, "builds", lambda request, row: build_json(backend, request, row), where)


@routes.on("GET", f"{_ROOT}/{{build:ZB}}")
def fetch_build(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One build; counts as a look."""
    return ok(build_json(backend, request, _looked_at(backend, _find(backend, request))))


@routes.on("GET", f"{_ROOT}/{{build:ZB}}/Status")
def fetch_status(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Only the status of a build; counts as a look."""
    row = _looked_at(backend, _find(backend, request))
    url = request.url("v1", "Services", row["service"], "Builds", row["sid"], "Status")
    kept = {"sid": row["sid"], "account_sid": row["account"], "service_sid": row["service"]}
    return ok({**kept, "status": status_of(backend, row), "url": url})


@routes.on("DELETE", f"{_ROOT}/{{build:ZB}}")
def delete_build(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Remove a build that no environment runs (issue tf#28)."""
    row = _find(backend, request)
    if backend.store.one("environments", build=row["sid"]):
        raise invalid("Cannot delete Build because it's part of an active Deployment.")
    backend.store.delete("builds", sid=row["sid"])
    return NO_CONTENT


@routes.on("POST", _ROOT)
async def create_build(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make a build of exactly the versions named; nothing of an earlier build is in it."""
    service = find_service(backend, request)
    runtime = request.text("Runtime") or backend.rules.default_runtime
    if runtime not in backend.rules.runtimes:
        raise invalid(f"unsupported runtime: {runtime}")
    versions = _wanted_versions(backend, request, service)
    dependencies = _with_defaults(backend, read_dependencies(request.text("Dependencies")))
    await backend.builds.check(dependencies, runtime)
    row = add_build(backend, service, versions, dependencies, runtime)
    backend.builds.begin(row["sid"])
    return created(build_json(backend, request, row))


def _wanted_versions(backend: Backend, request: ApiRequest, service: Row) -> list[str]:
    paths: set[tuple[str, str]] = set()
    wanted: list[str] = []
    for kind, name in (("function", "FunctionVersions"), ("asset", "AssetVersions")):
        for sid in dict.fromkeys(request.form.get(name, [])):
            row = backend.store.one("versions", service=service["sid"], kind=kind, sid=sid)
            if row is None:
                raise invalid(f"{kind.title()} Version {sid} was not found in this service")
            if (kind, row["path"]) in paths:
                raise invalid(f"Build has more than one {kind.title()} Version with the path {row['path']}")
            paths.add((kind, row["path"]))
            wanted.append(row["sid"])
    if not wanted:
        raise invalid("At least one Function Version or Asset Version is required for Build")
    limit = backend.rules.max_functions_per_build
    if limit is not None and sum(kind == "function" for kind, _ in paths) > limit:
        raise invalid(f"Builds are limited to less than or equal to {limit} Function Versions")
    return wanted


def read_dependencies(text: str | None) -> dict[str, str]:
    """Return `Dependencies` as a mapping.

    It is a JSON array of `{"name", "version"}`, and may stand in another pair of double quotes, escaped or not:
    serverless-api sends it that way and Twilio takes both (toolkit builds.ts).
    """
    if not text or not text.strip():
        return {}
    text = text.strip()
    try:
        read = json.loads(text)
        if isinstance(read, str):
            read = json.loads(read)
    except ValueError:
        try:
            read = json.loads(text[1:-1]) if text[0] == text[-1] == '"' else None
        except ValueError:
            read = None
    if not isinstance(read, list):
        raise invalid("Dependencies is not valid JSON: an array of objects with name and version is expected")
    found: dict[str, str] = {}
    for entry in read:
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("name"), str)
            or not isinstance(entry.get("version"), str)
        ):
            raise invalid("Dependencies must have a name and a version each")
        found[entry["name"]] = entry["version"]
    return found


def _with_defaults(backend: Backend, asked: dict[str, str]) -> dict[str, str]:
    """Check what is asked, and add what is in every build (docs, Default Runtime Handler Version)."""
    handler = asked.get(RUNTIME_HANDLER)
    if handler is not None and handler not in backend.rules.runtime_handlers:
        raise unknown_dependency(f"{RUNTIME_HANDLER}@{handler}")
    for name, version in asked.items():
        if not version or ":" in version or "/" in version:
            raise unknown_dependency(f"{name}@{version}")
    defaults = {"twilio": backend.rules.default_twilio, RUNTIME_HANDLER: backend.rules.default_runtime_handler}
    return {**asked, **{name: version for name, version in defaults.items() if name not in asked}}


def unknown_dependency(what: str) -> ApiError:
    """Return the refusal that names a package version nobody has (issues toolkit#538, #564, #325)."""
    return invalid(f"Some dependencies could not be validated. No matching version found for {what}")


def add_build(
    backend: Backend,
    service: Row,
    versions: Sequence[str],
    dependencies: dict[str, str],
    runtime: str,
    outcome: str | None = None,
) -> Row:
    """Record a build; with an `outcome` it is done already, else `Builds.begin` works on it."""
    now = backend.store.now()
    waits = outcome is None
    with backend.store.transaction():
        row = backend.store.insert(
            "builds",
            {
                "sid": new_sid("ZB"),
                "account": service["account"],
                "service": service["sid"],
                "dependencies": to_json(dependencies),
                "runtime": runtime,
                "outcome": outcome,
                "reason": None,
                "polls_left": backend.rules.build_polls if waits else 0,
                "ready_at": now + (backend.rules.build_ms / 1000 if waits else 0),
                "created": now,
                "updated": now,
            },
        )
        for sid in versions:
            backend.store.insert("build_versions", {"build": row["sid"], "version": sid})
    return row
