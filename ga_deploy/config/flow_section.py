"""The section `flow`: the Twilio Studio variant."""

from __future__ import annotations

import re
import typing
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from ga_deploy.config.addresses import FlowSidText
from ga_deploy.config.file_path import FilePath
from ga_deploy.config.function_paths import FunctionAt, complete_path
from ga_deploy.config.scalars import Choice, Text, Truth, finding, is_made_up, pattern, require_text, show
from ga_deploy.config.values import Strict


def _keys(value: object) -> str:
    """Accept the keys that a simulated caller presses at one menu."""
    require_text(value)
    text = str(value)
    if re.fullmatch(r"[0-9*#]{1,32}", text):
        return text
    if is_made_up(value):
        return "1"
    raise finding(
        f"{show(value)} is not a list of keys",
        "a phone has the keys 0 to 9, * and #; one menu takes 1 to 32 of them",
        'write one text for each menu, for example ["1", "2#"]',
    )


Keys = Annotated[str, BeforeValidator(_keys), WithJsonSchema({"type": "string", "pattern": r"^[0-9*#]{1,32}$"})]


class Flow(Strict):
    """The Twilio Studio variant."""

    enabled: Truth = Field(False, description="deploy the flow's functions, and the flow")
    engage: Annotated[FunctionAt, complete_path("/flow/engage")] = Field(
        default=FunctionAt(path="/flow/engage"), description="opens the stream for a flow"
    )
    call_transfer: Annotated[FunctionAt, complete_path("/flow/call-transfer")] = Field(
        default=FunctionAt(path="/flow/call-transfer"), description="returns the end of the conversation to the flow"
    )
    friendly_name: Annotated[Text, Field(min_length=1, max_length=255)] = Field(
        "GenerativeAgent", description="name in the Console"
    )
    status: Annotated[typing.Literal["draft", "published"], Choice] = Field(
        "published", description="published or draft"
    )
    attach_to: FlowSidText | None = Field(
        None, description="FW... of an existing flow: ga-deploy inserts its widgets at `after` and changes nothing else"
    )
    base_keys: tuple[Keys, ...] = Field(
        (),
        description="keys that simulated callers press: one text for each menu of `base` or `attach_to`",
    )
    base: FilePath | None = Field(
        None,
        description="JSON of a flow exported from the Console; ga-deploy makes a flow of it, with its own widgets at "
        "`after`",
    )
    after: (
        Annotated[
            str,
            *pattern(
                r"[A-Za-z0-9_-]+\.[A-Za-z]+(:.+)?",
                "is not a transition",
                "it has to be WIDGET.EVENT, or WIDGET.match:LABEL where a split has several matches",
                "write it like main_menu.match",
                stand_in="Trigger.incomingCall",
            ),
        ]
        | None
    ) = Field(None, description="WIDGET.EVENT, e.g. main_menu.match")
