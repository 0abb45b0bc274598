"""Serverless v1: environments and their variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.paging import list_rows
from ga_deploy.emulator.problems import conflict, invalid
from ga_deploy.emulator.serverless import find_service, routes
from ga_deploy.emulator.store import Row, new_sid
from ga_deploy.emulator.wire import NO_CONTENT, Answer, Call, created, iso, ok, unknown

if TYPE_CHECKING:
    from ga_deploy.emulator.world import World

ROOT = "/v1/Services/{service}/Environments"
ONE = ROOT + "/{environment:ZE}"


def find_environment(world: World, call: Call) -> Row:
    """Return the environment of the path; raises 404."""
    service = find_service(world, call)
    row = world.store.one("environments", service=service["sid"], sid=call.at["environment"])
    if row is None:
        raise unknown(call.path)
    return row


def find_part(world: World, call: Call, table: str) -> Row:
    """Return the part of an environment that the path names by its SID; raises 404."""
    environment = find_environment(world, call)
    row = world.store.one(table, environment=environment["sid"], sid=call.at["sid"])
    if row is None:
        raise unknown(call.path)
    return row


def part_json(call: Call, row: Row, fields: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return what all parts of an environment have in common around their own `fields`."""
    environment = row.get("environment") or row["sid"]
    return {
        "sid": row["sid"],
        "account_sid": row["account"],
        "service_sid": row["service"],
        **fields,
        "date_created": iso(row["created"]),
        "url": call.url("v1", "Services", row["service"], "Environments", environment, *path),
    }


def environment_json(call: Call, row: Row) -> dict[str, Any]:
    """Return an environment as Twilio shows it."""
    fields = {
        "build_sid": row["build"],
        "unique_name": row["unique_name"],
        "domain_suffix": row["domain_suffix"],
        "domain_name": row["domain_name"],
        "date_updated": iso(row["updated"]),
    }
    shown = part_json(call, row, fields)
    return {**shown, "links": {name: f"{shown['url']}/{name.title()}" for name in ("variables", "deployments", "logs")}}


@routes.on("GET", ROOT)
def list_environments(world: World, call: Call) -> Answer:
    """All environments of a service, newest first."""
    return list_rows(world, call, "environments", environment_json, {"service": find_service(world, call)["sid"]})


@routes.on("POST", ROOT)
def create_environment(world: World, call: Call) -> Answer:
    """Make an environment; name and suffix are unique within the service, and for ever (no update exists)."""
    service = find_service(world, call)
    unique_name = call.required("UniqueName", longest=100)
    suffix = call.text("DomainSuffix", longest=16) or None
    return created(environment_json(call, add_environment(world, service, unique_name, suffix)))


def add_environment(world: World, service: Row, unique_name: str, suffix: str | None) -> Row:
    """Make an environment of a service."""
    if suffix is not None and not re.fullmatch(r"[A-Za-z0-9-]+", suffix):
        raise invalid(f"DomainSuffix must be URL-friendly: {suffix}")
    others = world.store.rows("environments", service=service["sid"])
    if any(other["unique_name"] == unique_name for other in others):
        raise conflict(f"Environment with unique name {unique_name} already exists")
    if any((other["domain_suffix"] or "").lower() == (suffix or "").lower() for other in others):
        raise conflict(f"Environment with domain suffix {suffix or '(none)'} already exists")
    if len(others) >= world.rules.max_environments:
        raise invalid(f"Environments are limited to less than or equal to {world.rules.max_environments}")
    now = world.store.now()
    return world.store.insert(
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
def fetch_environment(world: World, call: Call) -> Answer:
    """One environment."""
    return ok(environment_json(call, find_environment(world, call)))


@routes.on("DELETE", ONE)
def delete_environment(world: World, call: Call) -> Answer:
    """Remove an environment with its variables, deployments and logs; frees the build it ran."""
    row = find_environment(world, call)
    world.store.delete("environments", sid=row["sid"])
    world.sites.refresh(service=row["service"])
    return NO_CONTENT


# --- variables -------------------------------------------------------------------------------------------------------


def variable_json(call: Call, row: Row) -> dict[str, Any]:
    """Return a variable as Twilio shows it: the value in clear."""
    fields = {
        "environment_sid": row["environment"],
        "key": row["key"],
        "value": row["value"],
        "date_updated": iso(row["updated"]),
    }
    return part_json(call, row, fields, "Variables", row["sid"])


@routes.on("GET", f"{ONE}/Variables")
def list_variables(world: World, call: Call) -> Answer:
    """All variables of an environment, newest first."""
    return list_rows(world, call, "variables", variable_json, {"environment": find_environment(world, call)["sid"]})


@routes.on("POST", f"{ONE}/Variables")
def create_variable(world: World, call: Call) -> Answer:
    """Make a variable. It is live at once for running code (docs, Environment variables)."""
    environment = find_environment(world, call)
    key, value = call.required("Key"), call.required("Value")
    return created(variable_json(call, add_variable(world, environment, key, value)))


def add_variable(world: World, environment: Row, key: str, value: str) -> Row:
    """Make a variable of an environment."""
    _check_key(world, environment, key)
    _check_value(world, value)
    now = world.store.now()
    row = world.store.insert(
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
    world.sites.refresh(environment=environment["sid"])
    return row


@routes.on("GET", f"{ONE}/Variables/{{sid:ZV}}")
def fetch_variable(world: World, call: Call) -> Answer:
    """One variable."""
    return ok(variable_json(call, find_part(world, call, "variables")))


@routes.on("POST", f"{ONE}/Variables/{{sid:ZV}}")
def update_variable(world: World, call: Call) -> Answer:
    """Change key, value or both; live at once."""
    row = find_part(world, call, "variables")
    changes: Row = {"updated": world.store.now()}
    if (key := call.text("Key")) is not None and key != row["key"]:
        _check_key(world, {"sid": row["environment"]}, key)
        changes["key"] = key
    if (value := call.text("Value")) is not None:
        _check_value(world, value)
        changes["value"] = value
    world.store.update("variables", row["seq"], changes)
    world.sites.refresh(environment=row["environment"])
    return ok(variable_json(call, {**row, **changes}))


@routes.on("DELETE", f"{ONE}/Variables/{{sid:ZV}}")
def delete_variable(world: World, call: Call) -> Answer:
    """Remove a variable; gone at once for running code."""
    row = find_part(world, call, "variables")
    world.store.delete("variables", sid=row["sid"])
    world.sites.refresh(environment=row["environment"])
    return NO_CONTENT


def _check_key(world: World, environment: Row, key: str) -> None:
    if not key or len(key) > 128:
        raise invalid("Key must have from 1 to 128 characters")
    if world.rules.refuse_reserved_keys and key in world.rules.reserved_keys:
        raise invalid(f"Key {key} is reserved")
    if world.store.one("variables", environment=environment["sid"], key=key):
        raise conflict(f"Variable with key {key} already exists")


def _check_value(world: World, value: str) -> None:
    if not value:
        raise invalid("Value must not be empty")
    if len(value.encode()) > world.rules.max_variable_bytes:
        raise invalid(f"Value is too long: at most {world.rules.max_variable_bytes} bytes are allowed")
