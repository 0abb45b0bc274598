"""Studio v2: flows and their revisions.

Reads right after a write may be stale or 404 (terraform provider, changelog 0.26), so what a write answers is used as
it is. A flow is known by its SID; friendly names are not unique. An empty commit message is refused by Twilio.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ga_deploy.gateway.creation import create_once, may_have_happened
from ga_deploy.gateway.endpoints import Product
from ga_deploy.model.flows import Flow
from ga_deploy.model.sids import FlowSid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.gateway.answers import Answer
    from ga_deploy.gateway.http import TwilioHttp

_PAGE = {"PageSize": 100}


class StudioCalls:
    """Flows. `status` is `draft` or `published`; definitions are decoded JSON."""

    _http: TwilioHttp

    def list_flows(self) -> list[Flow]:
        """Return all flows, newest first, without their definitions."""
        return [read_flow(answer) for answer in self._http.list(Product.STUDIO, "/Flows", "flows", _PAGE)]

    def find_flow(self, flow: str) -> Flow | None:
        """Return a flow at its newest revision, draft or not; None if there is none of that SID."""
        answer = self._http.find(Product.STUDIO, f"/Flows/{flow}")
        return None if answer is None else read_flow(answer)

    def find_described_flow(self, friendly_name: str, description: str) -> Flow | None:
        """Return the oldest flow of that name with that description, at its newest revision.

        A flow that was made out of another one has ours in brackets behind the other's.
        """
        named = [flow for flow in self.list_flows() if flow.friendly_name == friendly_name]
        for listed in reversed(named):
            flow = self.find_flow(listed.sid)
            found = str((flow.definition or {}).get("description", "")) if flow else ""
            if flow is not None and (found == description or found.endswith(f"({description})")):
                return flow
        return None

    def get_flow_revision(self, flow: FlowSid, revision: int | str) -> Flow | None:
        """Return a flow at a revision: a number, `LatestPublished` or `LatestRevision`. None if there is no such."""
        answer = self._http.find(Product.STUDIO, f"/Flows/{flow}/Revisions/{revision}")
        return None if answer is None else read_flow(answer)

    def validate_flow(self, friendly_name: str, status: str, definition: Mapping[str, object]) -> None:
        """Return if Twilio would take the definition; raises ApiProblem that says what is wrong with which widget."""
        self._http.update(Product.STUDIO, "/Flows/Validate", _form(friendly_name, status, definition, None))

    def create_flow(
        self, friendly_name: str, status: str, definition: Mapping[str, object], commit_message: str
    ) -> Flow:
        """Create a flow. After a lost answer one of that name and description is taken for it."""
        form = _form(friendly_name, status, definition, commit_message)
        description = str(definition.get("description", ""))
        return create_once(
            self._http.transport,
            lambda: read_flow(self._http.create(Product.STUDIO, "/Flows", form)),
            lambda: self.find_described_flow(friendly_name, description),
        )

    def update_flow(
        self,
        flow: Flow,
        status: str,
        definition: Mapping[str, object],
        commit_message: str,
        friendly_name: str | None = None,
    ) -> Flow:
        """Make another revision of `flow`, which was just read. After a lost answer, look before making it again."""
        form = _form(friendly_name, status, definition, commit_message)

        def find() -> Flow | None:
            found = self.find_flow(flow.sid)
            is_it = found is not None and found.revision > flow.revision and found.commit_message == commit_message
            return found if is_it else None

        return create_once(
            self._http.transport,
            lambda: read_flow(self._http.create(Product.STUDIO, f"/Flows/{flow.sid}", form)),
            find,
            finds_after=may_have_happened,
        )

    def delete_flow(self, flow: FlowSid) -> None:
        """Delete a flow with its history. For `destroy` only."""
        self._http.delete(Product.STUDIO, f"/Flows/{flow}")


def read_flow(answer: Answer) -> Flow:
    """Return a flow, or a revision of one, as Twilio tells it; the webhook is https whatever the answer says."""
    definition = answer.fields.get("definition")
    account, sid = answer.text("account_sid"), answer.text("sid")
    url = answer.text_or("webhook_url") or f"https://webhooks.twilio.com/v1/Accounts/{account}/Flows/{sid}"
    return Flow(
        sid=FlowSid(sid),
        friendly_name=answer.text_or("friendly_name"),
        status=answer.text("status"),
        revision=answer.number("revision"),
        webhook_url="https://" + url.removeprefix("http://").removeprefix("https://"),
        definition=definition if isinstance(definition, dict) else None,
        commit_message=answer.optional_text("commit_message"),
    )


def _form(
    friendly_name: str | None, status: str, definition: Mapping[str, object], commit_message: str | None
) -> dict[str, object]:
    form: dict[str, object] = {
        "Status": status,
        "Definition": json.dumps(definition, ensure_ascii=False, separators=(",", ":")),
    }
    if friendly_name:
        form["FriendlyName"] = friendly_name
    if commit_message:
        form["CommitMessage"] = commit_message
    return form
