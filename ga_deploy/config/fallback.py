"""The steps of `fallback`: those that a static document can express."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag

from ga_deploy.config.scalars import finding
from ga_deploy.config.steps import Hangup, Pause, Play, Say, Send, check_step, step_kind


def _check(raw: Any) -> Any:
    checked = check_step(raw)
    kind = step_kind(checked)
    if kind not in {"say", "play", "pause", "send", "hangup"}:
        raise finding(
            f"`{kind}` is not allowed in `fallback`",
            "the fallback is a static document, and no function runs then",
            "use say, play, pause, send or hangup",
        )
    content = checked.get("send") if isinstance(checked, dict) else checked
    if isinstance(content, dict) or getattr(content, "by", None):
        raise finding(
            "`send` in the fallback chooses by a value",
            "the fallback is a static document, which cannot look up a value",
            "name one destination: `send: NAME`",
        )
    return checked


FallbackStep = Annotated[
    Annotated[Say, Tag("say")]
    | Annotated[Play, Tag("play")]
    | Annotated[Pause, Tag("pause")]
    | Annotated[Send, Tag("send")]
    | Annotated[Hangup, Tag("hangup")],
    Discriminator(step_kind),
    BeforeValidator(_check),
]
