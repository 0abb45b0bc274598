"""Studio v2: flows and their revisions. What a call does in a flow is in `studio_execution`.

Sources: Twilio's description (twilio_studio_v2); the terraform provider's changelog for what it does not say.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.api import NO_CONTENT, ApiRequest, ApiResponse, Routes, created, iso, ok, unknown
from ga_deploy.emulator.core.paging import list_rows
from ga_deploy.emulator.core.problems import ApiError, invalid, missing
from ga_deploy.emulator.core.store import Row, new_sid, to_json
from ga_deploy.emulator.studio.definition import Findings, check_definition
from ga_deploy.strict_json import read_json

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend

routes = Routes("studio")

# Twilio docs, error pages: an invalid definition.
INVALID_DEFINITION = 81022


def published_revision(backend: Backend, account: str, flow_sid: str, caller: str = "") -> Row | None:
    """Return the revision that a caller gets: the newest published one, or for a test user the newest of all.

    None when there is no such flow in the account or nothing of it is published.
    """
    flow = backend.store.one("flows", account=account, sid=flow_sid)
    if flow is None:
        return None
    if caller and caller in json.loads(flow["test_users"]):
        return backend.store.one("revisions", flow=flow_sid)
    return backend.store.one("revisions", flow=flow_sid, status="published")


def _find(backend: Backend, request: ApiRequest) -> Row:
    row = backend.store.one("flows", account=request.account.sid, sid=request.at["flow"])
    # Eventually consistent (terraform provider 0.26): right after a write, a read may not see it yet.
    if row is None or (request.method == "GET" and _is_fresh(backend, row["created"])):
        raise unknown(request.path)
    return row


def _is_fresh(backend: Backend, moment: float) -> bool:
    return backend.store.now() - moment < backend.rules.studio_lag_ms / 1000


def _latest(backend: Backend, flow: Row, *, lagging: bool = False) -> Row:
    revisions = backend.store.rows("revisions", flow=flow["sid"])
    if lagging:
        revisions = [row for row in revisions if not _is_fresh(backend, row["created"])] or revisions[:1]
    return revisions[-1]


def flow_json(request: ApiRequest, flow: Row, revision: Row, *, listed: bool = False) -> dict[str, Any]:
    """Return a flow at a revision as Twilio shows it; in a list without what is heavy."""
    url = request.url("v2", "Flows", flow["sid"])
    shown = _revision_fields(flow, revision, listed=listed)
    return {
        **shown,
        "warnings": None if listed else json.loads(revision["warnings"]),
        # The samples of the description say http; what the Console stores on a number is https.
        "webhook_url": f"https://webhooks.twilio.com/v1/Accounts/{flow['account']}/Flows/{flow['sid']}",
        "date_created": iso(flow["created"]),
        "date_updated": iso(revision["created"]) if revision["revision"] > 1 else None,
        "url": url,
        "links": {
            "test_users": f"{url}/TestUsers",
            "revisions": f"{url}/Revisions",
            "executions": f"{url}/Executions",
        },
    }


def _revision_fields(flow: Row, revision: Row, *, listed: bool) -> dict[str, Any]:
    return {
        "sid": flow["sid"],
        "account_sid": flow["account"],
        "friendly_name": revision["friendly_name"],
        "definition": None if listed else json.loads(revision["definition"]),
        "status": revision["status"],
        "revision": revision["revision"],
        "commit_message": None if listed else revision["commit_message"],
        "valid": None if listed else bool(revision["valid"]),
        "errors": None if listed else json.loads(revision["errors"]),
    }


def _revision_json(request: ApiRequest, flow: Row, revision: Row, *, listed: bool = False) -> dict[str, Any]:
    return {
        **_revision_fields(flow, revision, listed=listed),
        "date_created": iso(revision["created"]),
        "date_updated": None,
        "url": request.url("v2", "Flows", flow["sid"], "Revisions", str(revision["revision"])),
    }


def _status(request: ApiRequest) -> str:
    status = request.required("Status")
    if status not in {"draft", "published"}:
        raise invalid(f"Status must be draft or published: {status}")
    return status


def _commit_message(request: ApiRequest) -> str | None:
    message = request.text("CommitMessage")
    if message == "":
        # Terraform provider: an empty text is an error, no text is not.
        raise invalid("CommitMessage must not be empty")
    return message


def _read_definition(backend: Backend, request: ApiRequest, text: str, status: str) -> tuple[str, Findings]:
    """Return the definition as kept and what is wrong with it; raises the 400 with `details` when that forbids saving
    it.

    A draft may be saved with errors in it, as in the Console; what is published must be valid.
    """
    try:
        definition = read_json(text)
    except ValueError as problem:
        findings = Findings([{"message": f"Definition is not valid JSON: {problem}", "property_path": "#/"}], [])
        raise _refused(findings) from None
    findings = check_definition(definition)
    if findings.errors and (status == "published" or findings.unreadable):
        raise _refused(findings)
    return to_json(definition), findings


def _refused(findings: Findings) -> ApiError:
    details = {"errors": findings.errors, "warnings": findings.warnings}
    return ApiError(400, INVALID_DEFINITION, "Flow definition is invalid", details)


@routes.on("GET", "/v2/Flows")
def list_flows(backend: Backend, request: ApiRequest) -> ApiResponse:
    """All flows, newest first, without definitions."""

    def shape(request: ApiRequest, flow: Row) -> dict[str, Any]:
        return flow_json(request, flow, _latest(backend, flow, lagging=True), listed=True)

    return list_rows(backend, request, "flows", shape, {"account": request.account.sid})


@routes.on("POST", "/v2/Flows")
def create_flow(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make a flow; its first revision is 1. Friendly names need not be unique."""
    name, status, message = request.required("FriendlyName"), _status(request), _commit_message(request)
    definition, findings = _read_definition(backend, request, request.required("Definition"), status)
    with backend.store.transaction():
        flow = backend.store.insert(
            "flows",
            {"sid": new_sid("FW"), "account": request.account.sid, "test_users": "[]", "created": backend.store.now()},
        )
        row = _add_revision(backend, flow, 1, name, status, definition, message, findings)
    return created(flow_json(request, flow, row))


def _add_revision(
    backend: Backend,
    flow: Row,
    number: int,
    name: str,
    status: str,
    definition: str,
    message: str | None,
    findings: Findings,
) -> Row:
    return backend.store.insert(
        "revisions",
        {
            "flow": flow["sid"],
            "revision": number,
            "friendly_name": name,
            "status": status,
            "definition": definition,
            "commit_message": message,
            "valid": not findings.errors,
            "errors": to_json(findings.errors),
            "warnings": to_json(findings.warnings),
            "created": backend.store.now(),
        },
    )


@routes.on("POST", "/v2/Flows/Validate")
def validate_flow(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Say whether a definition may be saved, without saving it. Invalid: 400 with `details` (twilio-sdk-go's tests)."""
    request.required("FriendlyName")
    status = _status(request)
    _commit_message(request)
    _, findings = _read_definition(backend, request, request.required("Definition"), status)
    if findings.errors:
        raise _refused(findings)
    return ok({"valid": True})


@routes.on("GET", "/v2/Flows/{flow:FW}")
def fetch_flow(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One flow at its newest revision."""
    flow = _find(backend, request)
    return ok(flow_json(request, flow, _latest(backend, flow, lagging=True)))


@routes.on("POST", "/v2/Flows/{flow:FW}")
def update_flow(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Make another revision; what is not sent stays as it was. Drafts and published ones share one counter."""
    flow = _find(backend, request)
    before = _latest(backend, flow)
    status, message = _status(request), _commit_message(request)
    text = request.text("Definition")
    definition, findings = _read_definition(backend, request, before["definition"] if text is None else text, status)
    name = request.text("FriendlyName") or before["friendly_name"]
    row = _add_revision(backend, flow, before["revision"] + 1, name, status, definition, message, findings)
    return ok(flow_json(request, flow, row))


@routes.on("DELETE", "/v2/Flows/{flow:FW}")
def delete_flow(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Remove a flow with its history."""
    backend.store.delete("flows", sid=_find(backend, request)["sid"])
    return NO_CONTENT


@routes.on("GET", "/v2/Flows/{flow:FW}/Revisions")
def list_revisions(backend: Backend, request: ApiRequest) -> ApiResponse:
    """The history of a flow, newest first, without definitions."""
    flow = _find(backend, request)

    def shape(request: ApiRequest, revision: Row) -> dict[str, Any]:
        return _revision_json(request, flow, revision, listed=True)

    return list_rows(backend, request, "revisions", shape, {"flow": flow["sid"]})


@routes.on("GET", "/v2/Flows/{flow:FW}/Revisions/{revision}")
def fetch_revision(backend: Backend, request: ApiRequest) -> ApiResponse:
    """One revision: a number, `LatestPublished` or `LatestRevision`."""
    flow, asked = _find(backend, request), request.at["revision"]
    row: Row | None = None
    if asked == "LatestRevision":
        row = _latest(backend, flow, lagging=True)
    elif asked == "LatestPublished":
        row = backend.store.one("revisions", flow=flow["sid"], status="published")
    elif asked.isdigit():
        row = backend.store.one("revisions", flow=flow["sid"], revision=int(asked))
    if row is None:
        raise unknown(request.path)
    return ok(_revision_json(request, flow, row))


def _test_users_json(request: ApiRequest, flow: Row, users: list[str]) -> dict[str, Any]:
    return {"sid": flow["sid"], "test_users": users, "url": request.url("v2", "Flows", flow["sid"], "TestUsers")}


@routes.on("GET", "/v2/Flows/{flow:FW}/TestUsers")
def fetch_test_users(backend: Backend, request: ApiRequest) -> ApiResponse:
    """The callers who get the draft."""
    flow = _find(backend, request)
    return ok(_test_users_json(request, flow, json.loads(flow["test_users"])))


@routes.on("POST", "/v2/Flows/{flow:FW}/TestUsers")
def update_test_users(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Replace the callers who get the draft."""
    flow = _find(backend, request)
    if "TestUsers" not in request.form:
        raise missing("TestUsers")
    users = [user for user in request.form["TestUsers"] if user]
    backend.store.update("flows", flow["seq"], {"test_users": to_json(users)})
    return ok(_test_users_json(request, flow, users))
