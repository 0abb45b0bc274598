"""The control plane under `/_emulator/`: what tests and the command line set and see. Twilio has nothing like it.

Every request but `GET /health` shows the token of the run (`Authorization: Bearer TOKEN`); bodies are JSON, and say so.

GET    /health                    is it up
GET    /state[?account=AC…]       the end state, comparable between runs
GET    /journal[?only=&exclude=]  the requests, with their number and depth;   DELETE forgets them
GET    /faults                    what is armed and how often it struck;       POST arms one or a list; DELETE all
GET    /rules                     the platform's behaviour;                    POST changes some
GET    /clock                     the emulated time;                           POST {"advance": seconds}
POST   /numbers                   {"account_sid", "numbers": [E.164 or {"phone_number", ...}]}
POST   /foreign-deploy            somebody else deploys (see `foreign.deploy`)
"""

from __future__ import annotations

import dataclasses
import hmac
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ga_deploy.emulator.api2010.numbers import number_json, seed_number
from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.control.faults import read_fault
from ga_deploy.emulator.control.other_deployer import deploy
from ga_deploy.emulator.core.problems import ApiError
from ga_deploy.emulator.functions.npm import NodeTools
from ga_deploy.errors import DeployError
from ga_deploy.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from ga_deploy.emulator.control.faults import FaultPlan
    from ga_deploy.emulator.control.journal import Journal
    from ga_deploy.emulator.core.backend import Backend
    from ga_deploy.redact import Secret

Body = dict[str, Any]

# The clock stays within what dates can say (the year 9000).
LATEST = 221_845_392_000.0


@dataclass(frozen=True)
class ControlPlane:
    """What the control plane of one emulator works on; `token` is what its requests show."""

    backend: Backend
    faults: FaultPlan
    journal: Journal
    token: Secret

    async def answer(self, request: web.Request, path: str) -> web.Response:
        """Answer a request to the control plane; 400 with `error` for what cannot be done."""
        if path.rstrip("/") != "/health" and not _shows_token(request, self.token.reveal()):
            error = "this needs the token of the run: Authorization: Bearer TOKEN"
            return web.json_response({"error": error}, status=401, headers={"WWW-Authenticate": "Bearer"})
        action = _ACTIONS.get((request.method, path.rstrip("/")))
        if action is None:
            known = sorted(f"{method} {name}" for method, name in _ACTIONS)
            return web.json_response(
                {"error": f"no such control: {request.method} {path}", "controls": known}, status=404
            )
        if request.can_read_body and request.content_type != "application/json":
            return web.json_response({"error": "a body must have the type application/json"}, status=415)
        try:
            given = read_json(await request.read() or b"{}")
            return web.json_response(action(self, request, given))
        except (ValueError, TypeError, KeyError, AttributeError, ApiError) as problem:
            return web.json_response({"error": str(problem) or type(problem).__name__}, status=400)


def _shows_token(request: web.Request, token: str) -> bool:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())


def _health(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    return {"status": "ok", "accounts": list(plane.backend.directory.accounts), "node": _has_node()}


def _has_node() -> bool:
    try:
        NodeTools.find()
    except DeployError:
        return False
    return True


def _state(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    account = request.query.get("account") or next(iter(plane.backend.directory.accounts))
    return dump(plane.backend, account)


def _journal(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    return plane.journal.report(request.query.get("exclude", ""), request.query.get("only", ""))


def _forget(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    plane.journal.reset()
    return {}


def _faults(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    return {"faults": plane.faults.describe()}


def _arm(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    # All are read before any is armed.
    for fault in [read_fault(one) for one in (given if isinstance(given, list) else [given])]:
        plane.faults.add(fault)
    return _faults(plane, request, given)


def _disarm(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    plane.faults.clear()
    return {"faults": []}


def _rules(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    return dataclasses.asdict(plane.backend.rules)


def _change_rules(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    plane.backend.change_rules(given)
    return _rules(plane, request, given)


def _clock(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    return {"now": plane.backend.store.now()}


def _advance(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    seconds = float(given["advance"])
    if not math.isfinite(seconds) or not 0 <= plane.backend.store.now() + seconds <= LATEST:
        raise ValueError(f"the clock cannot be moved by {given['advance']!r} seconds")
    plane.backend.advance(seconds)
    return _clock(plane, request, given)


def _numbers(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    backend = plane.backend
    account = given.get("account_sid") or next(iter(backend.directory.accounts))
    if account not in backend.directory.accounts:
        raise ValueError(f"no such account: {account}")
    with backend.store.transaction():
        return {"numbers": [number_json(seed_number(backend, account, number)) for number in given["numbers"]]}


def _foreign_deploy(plane: ControlPlane, request: web.Request, given: Any) -> Body:
    return deploy(plane.backend, given)


_ACTIONS: dict[tuple[str, str], Callable[[ControlPlane, web.Request, Any], Body]] = {
    ("GET", "/health"): _health,
    ("GET", "/state"): _state,
    ("GET", "/journal"): _journal,
    ("DELETE", "/journal"): _forget,
    ("GET", "/faults"): _faults,
    ("POST", "/faults"): _arm,
    ("DELETE", "/faults"): _disarm,
    ("GET", "/rules"): _rules,
    ("POST", "/rules"): _change_rules,
    ("GET", "/clock"): _clock,
    ("POST", "/clock"): _advance,
    ("POST", "/numbers"): _numbers,
    ("POST", "/foreign-deploy"): _foreign_deploy,
}
