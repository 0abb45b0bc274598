"""Paths and visibility of the functions."""

from __future__ import annotations

import typing
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ga_deploy.config.scalars import Choice, finding, require_text, show
from ga_deploy.config.values import Strict


def _function_path(value: Any) -> Any:
    require_text(value)
    problem = ""
    if not value.startswith("/"):
        problem = "it has to begin with a slash"
    elif len(value.encode()) > 255:
        problem = "it is longer than 255 bytes"
    elif any(character in value for character in ";,?:@+&$()'\"# \\%*<>|`{}[]^=!") or not value.isprintable():
        problem = "it has a character that Twilio does not allow in a path"
    elif any(part in {"", ".", ".."} for part in value[1:].split("/")):
        problem = "it has an empty part, or ends in a slash"
    elif value.endswith(".js"):
        problem = "a function's path has no .js"
    if problem:
        raise finding(
            f"{show(value)} cannot be the path of a function",
            problem,
            "write it like /engage or /sales/engage",
        )
    return str(value)


class FunctionAt(Strict):
    """The path and the visibility of a function."""

    path: Annotated[str, BeforeValidator(_function_path)] = Field(description="path in the service")
    visibility: Annotated[typing.Literal["protected", "public"], Choice] = Field(
        "protected", description="protected (only requests signed by Twilio) or public"
    )


def complete_path(default: str) -> BeforeValidator:
    """Return a validator that adds the default path to a function that sets only its visibility."""
    return BeforeValidator(lambda raw: {"path": default, **raw} if isinstance(raw, dict) else raw)


class Functions(Strict):
    """The functions that Twilio calls."""

    engage: Annotated[FunctionAt, complete_path("/engage")] = Field(
        default=FunctionAt(path="/engage"), description="answers the call and opens the stream"
    )
    call_complete: Annotated[FunctionAt, complete_path("/call-complete")] = Field(
        default=FunctionAt(path="/call-complete"), description="runs the steps after the agent"
    )
    stream_status: Annotated[FunctionAt, complete_path("/stream-status")] = Field(
        default=FunctionAt(path="/stream-status"),
        description="Twilio reports here when a stream starts, stops or breaks",
    )
