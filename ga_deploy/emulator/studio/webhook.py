"""Where calls meet flows: the webhook of a flow, and the executions as Studio's API shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from ga_deploy.emulator.core.api import ApiRequest, ApiResponse, Routes, iso, ok, unknown
from ga_deploy.emulator.core.paging import page, page_window
from ga_deploy.emulator.core.store import Slice
from ga_deploy.emulator.functions.host import HttpRequest
from ga_deploy.emulator.studio.execution import Execution, FlowAnswer, Revision, Step, StudioCalls
from ga_deploy.emulator.studio.flows import published_revision
from ga_deploy.emulator.studio.widgets import StudioAnswer, StudioRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.emulator.core.backend import Backend

routes = Routes("studio")

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def open_calls(backend: Backend) -> StudioCalls:
    """Return the executions of `backend`: flows out of its store, requests to its own deployed functions."""

    def find_revision(account: str, flow_sid: str, caller: str) -> Revision | None:
        row = published_revision(backend, account, flow_sid, caller)
        return None if row is None else Revision(flow_sid, row["revision"], json.loads(row["definition"]))

    async def send(request: StudioRequest) -> StudioAnswer:
        parts = urlsplit(request.url)
        host = parts.hostname or ""
        if host in _LOOPBACK:
            return await _send_here(request)
        sent = HttpRequest(
            request.method, parts.path or "/", parts.query, [("Host", host), *request.headers.items()], request.body
        )
        answer = await backend.sites.answer(host, sent)
        # Nothing but this machine is reached: another host is as good as down.
        if answer is None:
            return StudioAnswer(404 if host.endswith(".twil.io") else 0, "", b"")
        headers = {name.lower(): value for name, value in answer.headers}
        return StudioAnswer(answer.status, headers.get("content-type", ""), answer.body, headers.get("location", ""))

    return StudioCalls(
        find_revision=find_revision,
        send=send,
        token_of=lambda account: backend.directory.accounts[account].auth_token,
        now=backend.store.now,
    )


async def _send_here(request: StudioRequest) -> StudioAnswer:
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            request.method, request.url, data=request.body, headers=dict(request.headers), allow_redirects=False
        ) as answer,
    ):
        location = answer.headers.get("Location", "")
        return StudioAnswer(answer.status, answer.content_type, await answer.read(), location)


async def answer_webhook(backend: Backend, path: str, query: Mapping[str, str], form: Mapping[str, str]) -> FlowAnswer:
    """Answer `/v1/Accounts/AC…/Flows/FW…`; anything else, and an account that is not here, is a 404."""
    match path.strip("/").split("/"):
        case ["v1", "Accounts", account, "Flows", flow] if account in backend.directory.accounts:
            return await _calls(backend).handle(account, flow, query, form)
    return FlowAnswer(404, "", f"no flow answers at {path}")


def _calls(backend: Backend) -> StudioCalls:
    if not isinstance(backend.flow_calls, StudioCalls):
        raise TypeError("the backend is not assembled")
    return backend.flow_calls


def _executions(backend: Backend, request: ApiRequest) -> list[Execution]:
    if backend.store.one("flows", account=request.account.sid, sid=request.at["flow"]) is None:
        raise unknown(request.path)
    return _calls(backend).executions(request.account.sid, request.at["flow"])


def _find(backend: Backend, request: ApiRequest) -> Execution:
    found = [one for one in _executions(backend, request) if one.sid == request.at["execution"]]
    if not found:
        raise unknown(request.path)
    return found[0]


def _json(request: ApiRequest, execution: Execution) -> dict[str, Any]:
    url = request.url("v2", "Flows", execution.revision.flow_sid, "Executions", execution.sid)
    last = execution.steps[-1].created if execution.steps else execution.created
    return {
        "sid": execution.sid,
        "account_sid": execution.account,
        "flow_sid": execution.revision.flow_sid,
        "contact_channel_address": execution.context["contact"]["channel"]["address"],
        # Twilio keeps it apart too, under `execution_context`.
        "context": {},
        "status": execution.status,
        "date_created": iso(execution.created),
        "date_updated": iso(last),
        "url": url,
        "links": {"steps": f"{url}/Steps", "execution_context": f"{url}/Context"},
    }


def _step_json(request: ApiRequest, execution: Execution, step: Step) -> dict[str, Any]:
    url = request.url("v2", "Flows", execution.revision.flow_sid, "Executions", execution.sid, "Steps", step.sid)
    return {
        "sid": step.sid,
        "account_sid": execution.account,
        "flow_sid": execution.revision.flow_sid,
        "execution_sid": execution.sid,
        "parent_step_sid": None,
        "name": step.event,
        "context": {},
        "transitioned_from": step.transitioned_from,
        "transitioned_to": step.transitioned_to or "Ended",
        "date_created": iso(step.created),
        "date_updated": None,
        "url": url,
        "links": {"step_context": f"{url}/Context"},
    }


def _page(request: ApiRequest, key: str, newest_first: list[dict[str, Any]]) -> ApiResponse:
    """Return one page of what is kept in memory, cut like the lists that are kept in tables."""
    window = page_window(request)
    rows: list[dict[str, Any]] = [
        {"seq": len(newest_first) - index, "item": item} for index, item in enumerate(newest_first)
    ]
    cursor = window.cursor
    if isinstance(cursor, int):
        rows = [row for row in rows if (row["seq"] < cursor if window.forward else row["seq"] > cursor)]
    shown = rows[: window.size] if window.forward else rows[-window.size :]
    more = len(rows) > len(shown)
    before, after = (cursor is not None, more) if window.forward else (more, True)
    return page(request, key, window, Slice(shown, before=before, after=after), [row["item"] for row in shown])


@routes.on("GET", "/v2/Flows/{flow:FW}/Executions")
def list_executions(backend: Backend, request: ApiRequest) -> ApiResponse:
    """The executions of a flow, newest first."""
    return _page(request, "executions", [_json(request, one) for one in _executions(backend, request)])


@routes.on("GET", "/v2/Flows/{flow:FW}/Executions/{execution:FN}")
def fetch_execution(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One execution."""
    return ok(_json(request, _find(backend, request)))


@routes.on("GET", "/v2/Flows/{flow:FW}/Executions/{execution:FN}/Context")
def fetch_context(backend: Backend, request: ApiRequest) -> ApiResponse:
    """What an execution knows: trigger, widgets, variables."""
    found = _find(backend, request)
    return ok(
        {
            "account_sid": found.account,
            "flow_sid": found.revision.flow_sid,
            "execution_sid": found.sid,
            "context": found.context,
            "url": request.url("v2", "Flows", found.revision.flow_sid, "Executions", found.sid, "Context"),
        }
    )


@routes.on("GET", "/v2/Flows/{flow:FW}/Executions/{execution:FN}/Steps")
def list_steps(backend: Backend, request: ApiRequest) -> ApiResponse:
    """The transitions of an execution, newest first."""
    found = _find(backend, request)
    return _page(request, "steps", [_step_json(request, found, step) for step in reversed(found.steps)])
