"""Serverless v1: environments, and what the parts of one have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import NO_CONTENT, ApiRequest, ApiResponse, Routes, created, iso, ok, unknown
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import conflict, invalid
from ga_deploy.emulator.core.store import Row, new_sid
from ga_deploy.emulator.serverless.services import find_service

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend

routes = Routes("serverless")

ROOT = "/v1/Services/{service}/Environments"
ONE = ROOT + "/{environment:ZE}"


def find_environment(backend: Backend, request: ApiRequest) -> Row:
    """Return the environment of the path; raises 404."""
    service = find_service(backend, request)
    row = backend.store.one("environments", service=service["sid"], sid=request.at["environment"])
    if row is None:
        raise unknown(request.path)
    return row


def find_part(backend: Backend, request: ApiRequest, table: str) -> Row:
    """Return the part of an environment that the path names by its SID; raises 404."""
    environment = find_environment(backend, request)
    row = backend.store.one(table, environment=environment["sid"], sid=request.at["sid"])
    if row is None:
        raise unknown(request.path)
    return row


def part_json(request: ApiRequest, row: Row, fields: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return what all parts of an environment have in common around their own `fields`."""
    environment = row.get("environment") or row["sid"]
    return {
        "sid": row["sid"],
        "account_sid": row["account"],
        "service_sid": row["service"],
        **fields,
        "date_created": iso(row["created"]),
        "url": request.url("v1", "Services", row["service"], "Environments", environment, *path),
    }


def environment_json(request: ApiRequest, row: Row) -> dict[str, Any]:
    """Return an environment as Twilio shows it."""
    fields = {
        "build_sid": row["build"],
        "unique_name": row["unique_name"],
        "domain_suffix": row["domain_suffix"],
        "domain_name": row["domain_name"],
        "date_updated": iso(row["updated"]),
    }
    shown = part_json(request, row, fields)
    return {**shown, "links": {name: f"{shown['url']}/{name.title()}" for name in ("variables", "deployments", "logs")}}


@routes.on("GET", ROOT)
def list_environments(backend: Backend, request: ApiRequest) -> ApiResponse:
    """All environments of a service, newest first."""
    return list_rows(
        backend, request, "environments", environment_json, {"service": find_service(backend, request)["sid"]}
    )


@routes.on("POST", ROOT)
def create_environment(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make an environment; name and suffix are unique within the service, and for ever (no update exists)."""
    service = find_service(backend, request)
    unique_name = request.required("UniqueName", longest=100)
    suffix = request.text("DomainSuffix", longest=16) or None
    return created(environment_json(request, add_environment(backend, service, unique_name, suffix)))


def add_environment(backend: Backend, service: Row, unique_name: str, suffix: str | None) -> Row:
    """Make an environment of a service."""
    if suffix is not None and not re.fullmatch(r"[A-Za-z0-9-]+", suffix):
        raise invalid(f"DomainSuffix must be URL-friendly: {suffix}")
    others = backend.store.rows("environments", service=service["sid"])
    if any(other["unique_name"] == unique_name for other in others):
        raise conflict(f"Environment with unique name {unique_name} already exists")
    if any((other["domain_suffix"] or "").lower() == (suffix or "").lower() for other in others):
        raise conflict(f"Environment with domain suffix {suffix or '(none)'} already exists")
    if len(others) >= backend.rules.max_environments:
        raise invalid(f"Environments are limited to less than or equal to {backend.rules.max_environments}")
    now = backend.store.now()
    return backend.store.insert(
        "environments",
        {
            "sid": new_sid("ZE"),
            "account": service["account"],
            "service": service["sid"],
            "unique_name": unique_name,
            "domain_suffix": suffix,
            "domain_name": f"{service['domain_base']}{f'-{suffix}' if suffix else ''}.twil.io".lower(),
            "build": None,
            "created": now,
            "updated": now,
        },
    )


@routes.on("GET", ONE)
def fetch_environment(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One environment."""
    return ok(environment_json(request, find_environment(backend, request)))


@routes.on("DELETE", ONE)
def delete_environment(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Remove an environment with its variables, deployments and logs; frees the build it ran."""
    row = find_environment(backend, request)
    backend.store.delete("environments", sid=row["sid"])
    backend.sites.refresh(service=row["service"])
    return NO_CONTENT
