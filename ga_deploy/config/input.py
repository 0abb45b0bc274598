"""What the agent gets when a call starts."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ga_deploy.config.scalars import check_each, finding
from ga_deploy.config.values import From, Strict, Value

_RESERVED_INPUTS = ("customerId", "taskName")


def _input_variable(name: str, value: Any) -> Any:
    if name in _RESERVED_INPUTS or name.lower().startswith("asapp_"):
        raise finding(
            f"the input variable `{name[:60]}` has a reserved name",
            "ASAPP reserves customerId, taskName and every name that begins with asapp_",
            f"write it as `input.{name}`" if name in _RESERVED_INPUTS else "rename it",
            at_key=True,
        )
    if not re.fullmatch(r"[\w.\-]{1,200}", name):
        raise finding(
            f"`{name[:60]}` cannot be the name of an input variable",
            "it is sent as the name of a stream parameter",
            "use letters, digits and underscores",
            at_key=True,
        )
    return value


class Input(Strict):
    """Values that the agent gets when a call starts. Nothing else is sent."""

    customerId: Value | None = Field(  # noqa: N815 - ASAPP's name
        default_factory=lambda: From(name="call.customer"),
        description='customer id in ASAPP, unique and stable; "" sends none',
    )
    taskName: Value | None = Field(None, description="first task of the agent; ASAPP chooses when empty")  # noqa: N815 - ASAPP's name
    variables: Annotated[dict[str, Value], BeforeValidator(lambda value: check_each(value, _input_variable))] = Field(
        default_factory=dict, description="sent as GenerativeAgent inputVariables"
    )
