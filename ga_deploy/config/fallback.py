"""What a caller gets when the functions themselves are dead: steps that a static document can hold."""

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
            f"`{kind}` cannot stand in the fallback",
            "it is a static document: no function runs when it is needed",
            "use say, play, pause, send or hangup",
        )
    content = checked.get("send") if isinstance(checked, dict) else checked
    if isinstance(content, dict) or getattr(content, "by", None):
        raise finding(
            "`send` in the fallback chooses by a value",
            "it is a static document: nothing is looked up when it is needed",
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
