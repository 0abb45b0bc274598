"""Another TwiML application as a destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ga_deploy.config.addresses import HttpsUrl
from ga_deploy.config.destinations.base import Destination, SecretVariables
from ga_deploy.config.settings_shapes import write_each
from ga_deploy.config.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.yaml_tree.tree import Keys


class RedirectDestination(Destination):
    """Another TwiML application. It takes the call over, and the call never comes back."""

    kind: ClassVar[str] = "redirect"
    # Twilio never runs what follows a <Redirect>.
    never_returns: ClassVar[str] = "redirects the call, which never comes back"

    redirect: HttpsUrl = Field(description="https URL")
    params: dict[str, Value] = Field(default_factory=dict, description="query parameters added to it")

    @property
    def address(self) -> str:
        """The URL, without `params`."""
        return self.redirect

    def write(self, name: str, secrets: SecretVariables) -> dict[str, object]:
        """Return the URL and its parameters."""
        return {"redirect": self.redirect, "params": write_each(self.params)}

    def lookups(self) -> Iterator[tuple[Keys, Value]]:
        """Yield the values of the parameters."""
        yield from ((("params", name), value) for name, value in self.params.items())
