"""A phone number as a destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ga_deploy.config.addresses import PhoneNumber
from ga_deploy.config.destinations.dialled import DialledDestination

if TYPE_CHECKING:
    from ga_deploy.config.destinations.base import SecretVariables


class NumberDestination(DialledDestination):
    """A phone number, dialled."""

    kind: ClassVar[str] = "number"
    noun: ClassVar[str] = "Number"

    number: PhoneNumber = Field(description="E.164, in quotes")

    @property
    def address(self) -> str:
        """The number."""
        return self.number

    def write(self, name: str, secrets: SecretVariables) -> dict[str, object]:
        """Return the number and how it is dialled."""
        return {"number": self.number, **self.write_dial()}
