"""Serverless v1: what the functions of an environment logged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import ApiRequest, ApiResponse, Routes, ok
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import invalid
from ga_deploy.emulator.core.rules import DAY
from ga_deploy.emulator.serverless.environments import ONE, find_environment, find_part, part_json

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend
    from ga_deploy.emulator.core.store import Row

routes = Routes("serverless")


def log_json(request: ApiRequest, row: Row) -> dict[str, Any]:
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
    return part_json(request, row, fields, "Logs", row["sid"])


@routes.on("GET", f"{ONE}/Logs")
def list_logs(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Lines of an environment's functions, newest first; without `StartDate` those of the last day."""
    where = {"environment": find_environment(backend, request)["sid"]}
    if function := request.asked("FunctionSid"):
        where["function"] = function
    span = [
        ("created>=?", _moment(request, "StartDate", backend.store.now() - DAY)),
        ("created<=?", _moment(request, "EndDate", backend.store.now() + 1)),
    ]
    return list_rows(backend, request, "logs", log_json, where, conditions=span)


@routes.on("GET", f"{ONE}/Logs/{{sid:NO}}")
def fetch_log(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One line."""
    return ok(log_json(request, find_part(backend, request, "logs")))


def _moment(request: ApiRequest, name: str, otherwise: float) -> float:
    raw = request.asked(name)
    if not raw:
        return otherwise
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise invalid(f"Invalid value for {name}: '{raw}' is not an ISO 8601 date") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
