"""The calls that the mock remembers: transfers, conversations, and which script a call gets."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ga_deploy.asapp_mock.script import SHIPPED, Ending, Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.asapp_mock.performance import Performance

# Names with a meaning (ASAPP docs: Twilio Voice); every other parameter is an input variable.
_TRANSFER_ID, _CONVERSATION_ID = "asapp_callTransferId", "asapp_externalConversationId"
_NOT_VARIABLES = {_TRANSFER_ID, _CONVERSATION_ID, "customerId", "taskName"}
_REMEMBERED = 10_000


@dataclass
class Call:
    """One media stream and the transfer that it made. `ended_at` is a `time.monotonic()`; None: still open."""

    stream_sid: str
    call_sid: str
    parameters: dict[str, str]
    performance: Performance
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed: datetime | None = None
    ended_at: float | None = None
    ended_by: str = ""  # agent | caller | broken
    errors_given: int = 0

    @property
    def script(self) -> Script:
        """What the agent plays."""
        return self.performance.script

    @property
    def conversation_id(self) -> str:
        """ASAPP's `externalConversationId`."""
        return self.parameters.get(_CONVERSATION_ID, "")

    @property
    def transfer_id(self) -> str:
        """The key of the result; streams without one have none."""
        return self.parameters.get(_TRANSFER_ID, "")

    @property
    def input_variables(self) -> dict[str, str]:
        """The stream parameters besides the four with a meaning of their own."""
        return {name: value for name, value in self.parameters.items() if name not in _NOT_VARIABLES}

    def end(self, by: str) -> None:
        """Record who ended the stream. Only the first one counts."""
        if self.ended_at is None:
            self.ended_at, self.ended_by, self.completed = time.monotonic(), by, datetime.now(UTC)

    def status(self) -> str | None:
        """Return the status that the transfer reports now; None: there is no such transfer (404)."""
        report = self.script.report
        if self.ended_at is None:
            return "ONGOING"
        if self.ended_by == "caller":
            return "ONGOING" if report.after_hang_up == "ONGOING" else None
        if self.ended_by != "agent" or self.script.ending in {Ending.NO_RESULT, Ending.STAY}:
            return "ONGOING"
        written = time.monotonic() >= self.ended_at + report.ongoing_ms / 1000
        return report.status if written else "ONGOING"

    def describe_transfer(self, status: str) -> dict[str, Any]:
        """Return the call transfer as ASAPP's Get Call Transfer has it."""
        report, ending = self.script.report, self.script.ending
        transfer: dict[str, Any] = {
            "id": self.transfer_id,
            "externalConversationId": self.conversation_id,
            "status": status,
            "createdAt": _iso(self.created),
            "callReceivedAt": _iso(self.created),
            "type": "SIP",
            "inputContext": {"inputVariables": self.input_variables},
        }
        if "taskName" in self.parameters:
            transfer["inputContext"]["taskName"] = self.parameters["taskName"]
        if status.upper() != "ONGOING" and self.completed is not None:
            transfer["completedAt"] = _iso(self.completed)
        if status.upper() == "COMPLETED" and report.with_output_context:
            transfer["outputContext"] = {
                "currentTaskName": report.task or self.parameters.get("taskName", ""),
                "referenceVariables": dict(report.reference_variables),
                "transferVariables": dict(report.transfer_variables),
            }
            if ending in {Ending.AGENT, Ending.SYSTEM}:
                transfer["outputContext"]["transferType"] = ending.value
        return transfer

    def describe(self) -> dict[str, Any]:
        """Return everything about the call, for tests and `/_mock/calls`."""
        heard = self.performance.heard
        return {
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "parameters": self.parameters,
            "script": self.script.name,
            "status": self.status(),
            "endedBy": self.ended_by,
            "framesHeard": heard.frames,
            "speechFramesHeard": heard.loud_frames,
            "digits": heard.digits,
            "interruptions": heard.interruptions,
        }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class CallBook:
    """The last ten thousand calls, by transfer id and by conversation, and the rules that choose their scripts."""

    def __init__(self, default: Script) -> None:
        self._default = default
        self._rules: list[tuple[dict[str, str], Script, int]] = []
        self._calls: deque[Call] = deque()
        self._by_transfer: dict[str, Call] = {}
        self._by_conversation: dict[str, list[Call]] = {}

    def add_rule(self, match: Mapping[str, str], script: Script, times: int = 0) -> None:
        """Let the next `times` streams (0: all) with the parameters `match` play `script`; the newest rule wins."""
        self._rules.insert(0, (dict(match), script, times))

    def clear_rules(self) -> None:
        """Go back to the shipped scripts."""
        self._rules.clear()

    def choose(self, parameters: Mapping[str, str]) -> Script:
        """Return the script of a new stream: by rule, conversation so far, `ending`, task, or the default."""
        for at, (match, script, left) in enumerate(self._rules):
            if match.items() <= parameters.items():
                if left == 1:
                    del self._rules[at]
                elif left:
                    self._rules[at] = (match, script, left - 1)
                return script
        if earlier := self.conversation(parameters.get(_CONVERSATION_ID, "")):
            return earlier[-1].script.then or earlier[-1].script
        named = (parameters.get("ending", ""), parameters.get("taskName", ""))
        return next((SHIPPED[name] for name in named if name in SHIPPED), self._default)

    def add(self, call: Call) -> None:
        """Remember a call, and forget the oldest when there are too many."""
        self._calls.append(call)
        self._by_transfer[call.transfer_id] = call
        self._by_conversation.setdefault(call.conversation_id, []).append(call)
        if len(self._calls) > _REMEMBERED:
            oldest = self._calls.popleft()
            self._by_conversation[oldest.conversation_id].remove(oldest)
            if self._by_transfer.get(oldest.transfer_id) is oldest:
                del self._by_transfer[oldest.transfer_id]

    def find(self, transfer_id: str) -> Call | None:
        """Return the latest call with a transfer id."""
        return self._by_transfer.get(transfer_id) if transfer_id else None

    def conversation(self, conversation_id: str) -> list[Call]:
        """Return the calls of a conversation, oldest first."""
        return self._by_conversation.get(conversation_id, []) if conversation_id else []

    def all(self) -> list[Call]:
        """Return every remembered call, oldest first."""
        return list(self._calls)

    def forget(self) -> None:
        """Forget all calls."""
        self._calls.clear()
        self._by_transfer.clear()
        self._by_conversation.clear()
