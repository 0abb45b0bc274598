"""Phone numbers: their voice settings at Twilio, and the bindings that the user requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ga_deploy.errors import Place
    from ga_deploy.model.sids import NumberSid

SettingName = Literal[
    "voice_url",
    "voice_method",
    "voice_fallback_url",
    "voice_fallback_method",
    "voice_application_sid",
    "trunk_sid",
]


@dataclass(frozen=True)
class NumberSettings:
    """The voice settings of a number that ga-deploy may change; an unset one is the empty string, never None.

    At Twilio a trunk takes precedence over an application, and an application over the URL.
    """

    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    voice_application_sid: str = ""
    trunk_sid: str = ""


@dataclass(frozen=True)
class IncomingNumber:
    """A phone number of the account. `number` is E.164."""

    sid: NumberSid
    number: str
    friendly_name: str
    can_voice: bool
    receives: str  # voice | fax
    settings: NumberSettings
    # When Twilio's response arrived, by the gateway's clock; for `update_number(not_after=…)`.
    read_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class NumberBinding:
    """A number, and the function or flow that its callers shall reach.

    `fallback_url` None: keep the number's earlier voice URL as its fallback, if it had a real one. `at` is the line
    where the user wrote the number, if it is in a file.
    """

    number: str
    to: Literal["engage", "flow"] = "engage"
    profile: str | None = None
    fallback_url: str | None = None
    fallback_method: Literal["GET", "POST"] = "POST"
    at: Place | None = field(default=None, compare=False)
