"""A SIP transfer as a destination."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ga_deploy.config.addresses import SipUri
from ga_deploy.config.destinations.base import Destination, SecretVariables


class ReferDestination(Destination):
    """A blind SIP transfer of the inbound SIP leg."""

    kind: ClassVar[str] = "refer"
    needs_sip: ClassVar[bool] = True

    refer: SipUri = Field(description="sip:user@host")

    @property
    def address(self) -> str:
        """The SIP address."""
        return self.refer

    def write(self, name: str, secrets: SecretVariables) -> dict[str, object]:
        """Return the SIP address."""
        return {"refer": self.refer}
