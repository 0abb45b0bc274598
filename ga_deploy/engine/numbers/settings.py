"""The voice settings of a number: where a call goes with them, and whether it goes to us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ga_deploy.engine.numbers.fallback_path import digits_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.model.numbers import NumberBinding, NumberSettings, SettingName

# A new number points at Twilio's demo, which nobody needs.
DEMO_HOST = "demo.twilio.com"

# In display order.
SETTING_NAMES: tuple[SettingName, ...] = (
    "voice_url",
    "voice_method",
    "voice_fallback_url",
    "voice_fallback_method",
    "voice_application_sid",
    "trunk_sid",
)


@dataclass(frozen=True)
class NumberTarget:
    """Where the numbers of an environment may point: the domain that is live, our paths there, the flow's webhook.

    `fallback_path` is the path of our static fallback, if it is live or about to be.
    """

    domain_name: str
    engage_path: str
    flow_url: str | None = None
    fallback_path: str | None = None

    @property
    def fallback_url(self) -> str | None:
        """The URL of the static document that callers get if the functions fail; None if there is none."""
        return f"https://{self.domain_name}{self.fallback_path}" if self.fallback_path else None

    def is_our_fallback(self, url: str) -> bool:
        """Return whether a fallback URL is a static document of ours, of this config or an earlier one."""
        host, path = host_and_path(url)
        return host == self.domain_name.lower() and bool(digits_of(path, self.engage_path.rpartition("/")[0] + "/"))

    def url_for(self, binding: NumberBinding) -> str:
        """Return the voice URL for a binding. Raises ValueError if it is for a flow that does not exist."""
        if binding.to == "flow":
            if not self.flow_url:
                raise ValueError("there is no flow to point a number at")
            # Twilio's own samples show http here.
            return "https://" + self.flow_url.removeprefix("http://").removeprefix("https://")
        query = f"?profile={quote(binding.profile, safe='')}" if binding.profile else ""
        return f"https://{self.domain_name}{self.engage_path}{query}"

    def reaches_us(self, url: str) -> bool:
        """Return whether a voice URL is one of ours: this environment's engage function, or its flow."""
        if self.flow_url and _without_scheme(url) == _without_scheme(self.flow_url):
            return True
        return host_and_path(url) == (self.domain_name.lower(), self.engage_path)


def differing(now: NumberSettings, wanted: NumberSettings) -> tuple[SettingName, ...]:
    """Return the names of the settings that differ."""
    return tuple(name for name in SETTING_NAMES if getattr(now, name) != getattr(wanted, name))


def host_and_path(url: str) -> tuple[str, str]:
    """Return the host, in lower case, and the path of a number's URL; both empty if it is not a valid URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return (parts.hostname or "").lower(), parts.path


def is_real(url: str) -> bool:
    """Return whether a voice URL is in use: neither empty nor Twilio's demo."""
    return bool(url) and host_and_path(url)[0] != DEMO_HOST


def reaches(settings: NumberSettings, target: NumberTarget | None, recorded: RememberedNumber | None) -> bool:
    """Return whether a number reaches us now: no trunk or application, and a URL of ours or the one we once set."""
    if settings.trunk_sid or settings.voice_application_sid or not settings.voice_url:
        return False
    if recorded is not None and recorded.bound_url == settings.voice_url:
        return True
    return target is not None and target.reaches_us(settings.voice_url)


def reached(settings: NumberSettings) -> tuple[str, str, str, str]:
    """Return what decides where a call to a number goes: trunk, application, URL and method."""
    method = settings.voice_method if settings.voice_url else ""
    return settings.trunk_sid, settings.voice_application_sid, settings.voice_url, method


def describe(settings: NumberSettings) -> str:
    """Return in one phrase what a call to a number with these settings reaches."""
    if settings.trunk_sid:
        return f"trunk {settings.trunk_sid}"
    if settings.voice_application_sid:
        return f"application {settings.voice_application_sid}"
    if not settings.voice_url:
        return "nothing"
    method = "" if settings.voice_method == "POST" else f" ({settings.voice_method})"
    return f"{settings.voice_url}{method}"


def show_settings(settings: NumberSettings, names: Collection[SettingName] = SETTING_NAMES) -> dict[str, object]:
    """Return settings as JSON-able pairs in a fixed order."""
    return {name: getattr(settings, name) for name in SETTING_NAMES if name in names}


def _without_scheme(url: str) -> str:
    return url.partition("://")[2]
