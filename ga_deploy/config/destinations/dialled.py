"""What the kinds of destination that ring somebody have in common."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from ga_deploy.config.addresses import check_phone_number
from ga_deploy.config.destinations.base import Destination
from ga_deploy.config.references import Referenced
from ga_deploy.config.scalars import Choice, Truth, Whole, finding, show
from ga_deploy.twilio_rules.e164 import PATTERN as E164

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.yaml_tree.tree import Keys

NOT_RECORDED: typing.Literal["do-not-record"] = "do-not-record"


def _caller_id(value: Any) -> Any:
    made_up = isinstance(value, Referenced) and value.stand_in
    if not isinstance(value, str) or value.startswith("+") or made_up:
        return check_phone_number(value)
    if value not in {"called", "caller"}:
        raise finding(
            f"{show(value)} is not a caller id",
            "a caller id is `called`, `caller`, or a number in quotes",
            "write `caller_id: called`",
        )
    return str(value)


CallerId = Annotated[
    str,
    BeforeValidator(_caller_id),
    WithJsonSchema({"type": "string", "pattern": f"^(called|caller|{E164})$"}),
]

RecordDial = Annotated[
    typing.Literal[
        "do-not-record",
        "record-from-answer",
        "record-from-ringing",
        "record-from-answer-dual",
        "record-from-ringing-dual",
    ],
    Choice,
]


class DialledDestination(Destination):
    """What every call to somebody has (Twilio docs: Dial)."""

    # The TwiML noun inside <Dial>; its text is `address`.
    noun: ClassVar[str] = ""

    caller_id: CallerId = Field("called", description='what the callee sees: called, caller, or a number "+1..."')
    timeout: Annotated[Whole, Field(ge=1, le=600)] = Field(20, description="seconds it may ring")
    answer_on_bridge: Truth = Field(
        False,
        description="a call that nobody has answered yet (`bypass`, `closed`) keeps ringing until the callee answers; "
        "after the agent it changes nothing",
    )
    time_limit: Annotated[Whole, Field(ge=1, le=86400)] | None = Field(
        None, description="seconds after which Twilio ends the connection; Twilio's limit of four hours when empty"
    )
    record: RecordDial = Field(
        NOT_RECORDED, description="record the connection, from the answer or from the first ring"
    )

    @property
    def is_recorded(self) -> bool:
        """Whether the connection is recorded."""
        return self.record != NOT_RECORDED

    def write_dial(self) -> dict[str, object]:
        """Return the keys of every dialled destination; a value that Twilio assumes anyway is None."""
        return {
            "callerId": self.caller_id,
            "timeout": self.timeout,
            "answerOnBridge": True if self.answer_on_bridge else None,
            "timeLimit": self.time_limit,
            "record": self.record if self.is_recorded else None,
        }

    def phone_numbers(self) -> Iterator[tuple[Keys, str]]:
        """Yield the caller id."""
        yield ("caller_id",), self.caller_id

    def why_not_static(self) -> str:
        """Refuse opening hours."""
        return "the destination has `hours`, and a static document cannot check the time" if self.hours else ""
