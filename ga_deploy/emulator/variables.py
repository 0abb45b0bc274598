"""Serverless v1: the variables of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.environments import ONE, find_environment, find_part, part_json
from ga_deploy.emulator.paging import list_rows
from ga_deploy.emulator.problems import conflict, invalid
from ga_deploy.emulator.serverless import routes
from ga_deploy.emulator.store import Row, new_sid
from ga_deploy.emulator.wire import NO_CONTENT, Answer, Call, created, iso, ok

if TYPE_CHECKING:
    from ga_deploy.emulator.world import World


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
