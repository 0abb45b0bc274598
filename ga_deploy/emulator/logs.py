"""Serverless v1: what the functions of an environment logged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.environments import ONE, find_environment, find_part, part_json
from ga_deploy.emulator.paging import list_rows
from ga_deploy.emulator.problems import invalid
from ga_deploy.emulator.rules import DAY
from ga_deploy.emulator.serverless import routes
from ga_deploy.emulator.wire import Answer, Call, ok

if TYPE_CHECKING:
    from ga_deploy.emulator.store import Row
    from ga_deploy.emulator.world import World


def log_json(call: Call, row: Row) -> dict[str, Any]:
    """Return a line that a function wrote, as Twilio shows it."""
    fields = {
        "environment_sid": row["environment"],
        "build_sid": row["build"],
        "deployment_sid": row["deployment"],
        "function_sid": row["function"],
        "request_sid": row["request"],
        "level": row["level"],
        "message": row["message"],
    }
    return part_json(call, row, fields, "Logs", row["sid"])


@routes.on("GET", f"{ONE}/Logs")
def list_logs(world: World, call: Call) -> Answer:
    """Lines of an environment's functions, newest first; without `StartDate` those of the last day."""
    where = {"environment": find_environment(world, call)["sid"]}
    if function := call.asked("FunctionSid"):
        where["function"] = function
    span = [
        ("created>=?", _moment(call, "StartDate", world.store.now() - DAY)),
        ("created<=?", _moment(call, "EndDate", world.store.now() + 1)),
    ]
    return list_rows(world, call, "logs", log_json, where, conditions=span)


@routes.on("GET", f"{ONE}/Logs/{{sid:NO}}")
def fetch_log(world: World, call: Call) -> Answer:
    """One line."""
    return ok(log_json(call, find_part(world, call, "logs")))


def _moment(call: Call, name: str, otherwise: float) -> float:
    raw = call.asked(name)
    if not raw:
        return otherwise
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise invalid(f"Invalid value for {name}: '{raw}' is not an ISO 8601 date") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
