"""Serverless v1: the variables of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import NO_CONTENT, ApiRequest, ApiResponse, Routes, created, iso, ok
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import conflict, invalid
from ga_deploy.emulator.core.store import Row, new_sid
from ga_deploy.emulator.serverless.environments import ONE, find_environment, find_part, part_json

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend

routes = Routes("serverless")


def variable_json(request: ApiRequest, row: Row) -> dict[str, Any]:
    """Return a variable as Twilio shows it: the value in clear."""
    fields = {
        "environment_sid": row["environment"],
        "key": row["key"],
        "value": row["value"],
        "date_updated": iso(row["updated"]),
    }
    return part_json(request, row, fields, "Variables", row["sid"])


@routes.on("GET", f"{ONE}/Variables")
def list_variables(backend: Backend, request: ApiRequest) -> ApiResponse:
    """All variables of an environment, newest first."""
    return list_rows(
        backend, request, "variables", variable_json, {"environment": find_environment(backend, request)["sid"]}
    )


@routes.on("POST", f"{ONE}/Variables")
def create_variable(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make a variable. It is live at once for running code (docs, Environment variables)."""
    environment = find_environment(backend, request)
    key, value = request.required("Key"), request.required("Value")
    return created(variable_json(request, add_variable(backend, environment, key, value)))


def add_variable(backend: Backend, environment: Row, key: str, value: str) -> Row:
    """Make a variable of an environment."""
    _check_key(backend, environment, key)
    _check_value(backend, value)
    now = backend.store.now()
    row = backend.store.insert(
        "variables",
        {
            "sid": new_sid("ZV"),
            "account": environment["account"],
            "service": environment["service"],
            "environment": environment["sid"],
            "key": key,
            "value": value,
            "created": now,
            "updated": now,
        },
    )
    backend.sites.refresh(environment=environment["sid"])
    return row


@routes.on("GET", f"{ONE}/Variables/{{sid:ZV}}")
def fetch_variable(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One variable."""
    return ok(variable_json(request, find_part(backend, request, "variables")))


@routes.on("POST", f"{ONE}/Variables/{{sid:ZV}}")
def update_variable(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Change key, value or both; live at once."""
    row = find_part(backend, request, "variables")
    changes: Row = {"updated": backend.store.now()}
    if (key := request.text("Key")) is not None and key != row["key"]:
        _check_key(backend, {"sid": row["environment"]}, key)
        changes["key"] = key
    if (value := request.text("Value")) is not None:
        _check_value(backend, value)
        changes["value"] = value
    backend.store.update("variables", row["seq"], changes)
    backend.sites.refresh(environment=row["environment"])
    return ok(variable_json(request, {**row, **changes}))


@routes.on("DELETE", f"{ONE}/Variables/{{sid:ZV}}")
def delete_variable(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Remove a variable; gone at once for running code."""
    row = find_part(backend, request, "variables")
    backend.store.delete("variables", sid=row["sid"])
    backend.sites.refresh(environment=row["environment"])
    return NO_CONTENT


def _check_key(backend: Backend, environment: Row, key: str) -> None:
    if not key or len(key) > 128:
        raise invalid("Key must have from 1 to 128 characters")
    if backend.rules.refuse_reserved_keys and key in backend.rules.reserved_keys:
        raise invalid(f"Key {key} is reserved")
    if backend.store.one("variables", environment=environment["sid"], key=key):
        raise conflict(f"Variable with key {key} already exists")


def _check_value(backend: Backend, value: str) -> None:
    if not value:
        raise invalid("Value must not be empty")
    if len(value.encode()) > backend.rules.max_variable_bytes:
        raise invalid(f"Value is too long: at most {backend.rules.max_variable_bytes} bytes are allowed")
