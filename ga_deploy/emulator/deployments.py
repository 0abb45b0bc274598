"""Serverless v1: what went live in an environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.builds import status_of
from ga_deploy.emulator.environments import ONE, find_environment, find_part, part_json
from ga_deploy.emulator.paging import list_rows
from ga_deploy.emulator.problems import conflict, invalid
from ga_deploy.emulator.serverless import routes
from ga_deploy.emulator.store import Row, new_sid
from ga_deploy.emulator.wire import Answer, Call, created, iso, ok

if TYPE_CHECKING:
    from ga_deploy.emulator.world import World


def deployment_json(call: Call, row: Row) -> dict[str, Any]:
    """Return a deployment as Twilio shows it."""
    fields = {
        "environment_sid": row["environment"],
        "build_sid": row["build"],
        "date_updated": iso(row["updated"]),
    }
    return part_json(call, row, fields, "Deployments", row["sid"])


@routes.on("GET", f"{ONE}/Deployments")
def list_deployments(world: World, call: Call) -> Answer:
    """The history of an environment, newest first."""
    return list_rows(world, call, "deployments", deployment_json, {"environment": find_environment(world, call)["sid"]})


@routes.on("GET", f"{ONE}/Deployments/{{sid:ZD}}")
def fetch_deployment(world: World, call: Call) -> Answer:
    """One deployment."""
    return ok(deployment_json(call, find_part(world, call, "deployments")))


@routes.on("POST", f"{ONE}/Deployments")
def create_deployment(world: World, call: Call) -> Answer:
    """Make a build live. Without `BuildSid` the environment goes offline, as at Twilio (terraform provider)."""
    environment = find_environment(world, call)
    call.flag("IsPlugin")
    build_sid = call.text("BuildSid") or None
    if build_sid is not None:
        build = world.store.one("builds", service=environment["service"], sid=build_sid)
        if build is None:
            raise invalid(f"Build {build_sid} was not found in this service")
        if status_of(world, build) != "completed":
            raise invalid(f"Build {build_sid} is not completed")
        if environment["build"] == build_sid:
            # Toolkit promote.ts; issue serverless-api#27.
            raise conflict("Environment already has requested deployment")
        _check_room(world, environment)
    return created(deployment_json(call, activate(world, environment, build_sid)))


def _check_room(world: World, environment: Row) -> None:
    """Docs, Environment variables: past about 3 KB, encoded as JSON and with the injected ones, deployments fail."""
    size = len(json.dumps(world.sites.context(environment), ensure_ascii=False).encode())
    if size > world.rules.max_variables_bytes:
        raise invalid(
            f"Environment variables take {size} bytes: more than {world.rules.max_variables_bytes} are not possible"
        )


def activate(world: World, environment: Row, build_sid: str | None) -> Row:
    """Record a deployment and point the environment at its build (None: at nothing)."""
    now = world.store.now()
    with world.store.transaction():
        row = world.store.insert(
            "deployments",
            {
                "sid": new_sid("ZD"),
                "account": environment["account"],
                "service": environment["service"],
                "environment": environment["sid"],
                "build": build_sid,
                "live_at": now + world.rules.propagation_ms / 1000,
                "created": now,
                "updated": now,
            },
        )
        world.store.update("environments", environment["seq"], {"build": build_sid, "updated": now})
    world.sites.refresh(environment=environment["sid"])
    return row
