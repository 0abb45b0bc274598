"""A SIP address as a destination."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from ga_deploy.config.addresses import SipUri
from ga_deploy.config.destinations.dialled import DialledDestination
from ga_deploy.config.scalars import SecretText, Text, check_each, finding
from ga_deploy.config.settings_shapes import write_each
from ga_deploy.config.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.destinations.base import SecretVariables
    from ga_deploy.yaml_tree.tree import Keys

# Twilio passes on these headers too, beside X-... (Twilio errors 13252 and 32113).
_SIP_HEADERS = ("User-to-User", "Remote-Party-ID", "P-Preferred-Identity", "P-Called-Party-ID")


def _header(name: str, value: Any) -> Any:
    if re.match(r"[Xx]-[Tt][Ww][Ii][Ll][Ii][Oo]", name):
        raise finding(
            f"`{name[:60]}` cannot be sent as a SIP header",
            "Twilio reserves names that begin with X-Twilio and refuses them",
            "rename it",
            at_key=True,
        )
    if name not in _SIP_HEADERS and not re.fullmatch(r"[Xx]-[A-Za-z0-9\-]{1,60}", name):
        raise finding(
            f"`{name[:60]}` cannot be sent as a SIP header",
            "Twilio passes on headers that begin with X-, and " + ", ".join(_SIP_HEADERS),
            f"name it X-{re.sub('[^A-Za-z0-9-]', '-', name)[:60]}",
            at_key=True,
        )
    return value


class SipDestination(DialledDestination):
    """A SIP address, dialled."""

    kind: ClassVar[str] = "sip"
    noun: ClassVar[str] = "Sip"

    sip: SipUri = Field(description="sip:user@host")
    username: Text | None = Field(None, description="for digest authentication")
    password: SecretText | None = Field(None, description="for digest authentication; a ${NAME} reference")
    headers: Annotated[dict[str, Value], BeforeValidator(lambda value: check_each(value, _header))] = Field(
        default_factory=dict,
        description="names X-..., User-to-User and a few more (X-Twilio... is refused), and their values",
    )

    @property
    def address(self) -> str:
        """The SIP address."""
        return self.sip

    def write(self, name: str, secrets: SecretVariables) -> dict[str, object]:
        """Return the address, the credentials (the password's variable), the headers and how it is dialled."""
        return {
            "sip": self.sip,
            "username": self.username,
            "passwordVariable": secrets.keep_sip_password(name, self.password) if self.password else None,
            "headers": write_each(self.headers),
            **self.write_dial(),
        }

    def lookups(self) -> Iterator[tuple[Keys, Value]]:
        """Yield the values of the headers."""
        yield from ((("headers", name), value) for name, value in self.headers.items())

    def why_not_static(self) -> str:
        """Refuse opening hours, credentials (everybody could read them) and headers (only a function fills them in)."""
        why = super().why_not_static()
        if not why and (self.password is not None or self.username is not None):
            why = "the destination has a user name or a password, and everybody can read the document"
        if not why and self.headers:
            why = "the destination has `headers`, and only a function can fill them in"
        return why
