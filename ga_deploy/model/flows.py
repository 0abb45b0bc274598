"""Flows of Twilio Studio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ga_deploy.model.sids import FlowSid


@dataclass(frozen=True)
class Flow:
    """A Studio flow at its latest revision; `definition` is None in lists."""

    sid: FlowSid
    friendly_name: str
    status: str  # draft | published
    revision: int
    webhook_url: str
    definition: dict[str, object] | None = None
    commit_message: str | None = None


@dataclass(frozen=True)
class OurFlow:
    """A flow that ga-deploy made, or one of somebody else into which it inserted its widgets (`is_attached`).

    `status` is the status that the config wants for a revision; None if the config no longer names the flow.
    """

    flow: Flow
    is_attached: bool
    status: str | None = None

    @property
    def kind(self) -> str:
        """The word for it in the record: `made` or `attached`."""
        return "attached" if self.is_attached else "made"
