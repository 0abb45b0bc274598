"""Voicemail as a destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ga_deploy.config.destinations.base import Destination, SecretVariables
from ga_deploy.config.scalars import Text, Whole
from ga_deploy.config.steps import Notify
from ga_deploy.config.values import Strict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.yaml_tree.tree import Keys


class Voicemail(Strict):
    """What a caller hears, how long a message may be, and which web hook is called."""

    say: Annotated[Text, Field(max_length=3000)] = Field(
        "Please leave a message after the tone.", description='spoken before the tone; "" plays the tone alone'
    )
    max_seconds: Annotated[Whole, Field(ge=2, le=3600)] = Field(120, description="longest message, in seconds")
    notify: Notify | None = Field(
        None,
        description="web hook that gets the URL of the recording; fetching it takes the account's credentials",
    )


class VoicemailDestination(Destination):
    """The caller leaves a message. Then the call ends: no later step runs, as after a redirect."""

    kind: ClassVar[str] = "voicemail"
    never_returns: ClassVar[str] = "ends the call with a message"

    voicemail: Voicemail = Field(description="`{}` for the defaults")

    def write(self, name: str, secrets: SecretVariables) -> dict[str, object]:
        """Return the text before the tone, the longest message and the web hook."""
        mailbox = self.voicemail
        return {
            "say": mailbox.say.strip() or None,
            "maxSeconds": mailbox.max_seconds,
            "notify": secrets.write_notify(mailbox.notify) if mailbox.notify else None,
        }

    def spoken(self) -> Iterator[tuple[Keys, str]]:
        """Yield the text before the tone."""
        yield ("voicemail", "say"), self.voicemail.say
