"""A phone number as a destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ga_deploy.config.addresses import PhoneNumber
from ga_deploy.config.destinations.dialled import DialledDestination

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.destinations.base import SecretVariables
    from ga_deploy.yaml_tree.tree import Keys


class NumberDestination(DialledDestination):
    """A phone number, dialled."""

    kind: ClassVar[str] = "number"
    noun: ClassVar[str] = "Number"

    number: PhoneNumber = Field(description="E.164, in quotes")

    @property
    def address(self) -> str:
        """The number."""
        return self.number

    def phone_numbers(self) -> Iterator[tuple[Keys, str]]:
        """Yield the number and the caller id."""
        yield ("number",), self.number
        yield from super().phone_numbers()

    def write(self, name: str, secrets: SecretVariables) -> dict[str, object]:
        """Return the number and how it is dialled."""
        return {"number": self.number, **self.write_dial()}
