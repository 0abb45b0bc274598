"""Serverless v1: what went live in an environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import ApiRequest, ApiResponse, Routes, created, iso, ok
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import conflict, invalid
from ga_deploy.emulator.core.store import Row, new_sid
from ga_deploy.emulator.serverless.builds import status_of
from ga_deploy.emulator.serverless.environments import ONE, find_environment, find_part, part_json

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend

routes = Routes("serverless")


def deployment_json(request: ApiRequest, row: Row) -> dict[str, Any]:
    """Return a deployment as Twilio shows it."""
    fields = {
        "environment_sid": row["environment"],
        "build_sid": row["build"],
        "date_updated": iso(row["updated"]),
    }
    return part_json(request, row, fields, "Deployments", row["sid"])


@routes.on("GET", f"{ONE}/Deployments")
def list_deployments(backend: Backend, request: ApiRequest) -> ApiResponse:
    """The history of an environment, newest first."""
    return list_rows(
        backend, request, "deployments", deployment_json, {"environment": find_environment(backend, request)["sid"]}
    )


@routes.on("GET", f"{ONE}/Deployments/{{sid:ZD}}")
def fetch_deployment(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One deployment."""
    return ok(deployment_json(request, find_part(backend, request, "deployments")))


@routes.on("POST", f"{ONE}/Deployments")
def create_deployment(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make a build live. Without `BuildSid` the environment goes offline, as at Twilio (terraform provider)."""
    environment = find_environment(backend, request)
    request.flag("IsPlugin")
    build_sid = request.text("BuildSid") or None
    if build_sid is not None:
        build = backend.store.one("builds", service=environment["service"], sid=build_sid)
        if build is None:
            raise invalid(f"Build {build_sid} was not found in this service")
        if status_of(backend, build) != "completed":
            raise invalid(f"Build {build_sid} is not completed")
        if environment["build"] == build_sid:
            # Toolkit promote.ts; issue serverless-api#27.
            raise conflict("Environment already has requested deployment")
        _check_room(backend, environment)
    return created(deployment_json(request, activate(backend, environment, build_sid)))


def _check_room(backend: Backend, environment: Row) -> None:
    """Docs, Environment variables: past about 3 KB, encoded as JSON and with the injected ones, deployments fail."""
    size = len(json.dumps(backend.sites.context(environment), ensure_ascii=False).encode())
    if size > backend.rules.max_variables_bytes:
        raise invalid(
            f"Environment variables take {size} bytes: more than {backend.rules.max_variables_bytes} are not possible"
        )


def activate(backend: Backend, environment: Row, build_sid: str | None) -> Row:
    """Record a deployment and point the environment at its build (None: at nothing)."""
    now = backend.store.now()
    with backend.store.transaction():
        row = backend.store.insert(
            "deployments",
            {
                "sid": new_sid("ZD"),
                "account": environment["account"],
                "service": environment["service"],
                "environment": environment["sid"],
                "build": build_sid,
                "live_at": now + backend.rules.propagation_ms / 1000,
                "created": now,
                "updated": now,
            },
        )
        backend.store.update("environments", environment["seq"], {"build": build_sid, "updated": now})
    backend.sites.refresh(environment=environment["sid"])
    return row
