"""The config as the functions read it: one JSON-able value and the environment variables.

Defaults are filled in and short forms are written out, so the JavaScript has one shape to read. Secrets are not in it:
a key `…Variable` has the name of the variable with the secret.

The shapes, in addition to the config's own keys in camelCase. "absent" means that the key may be missing:

    callerId        "+1..." that the account owns, or null: shown where a call has no number that may be shown
    default, profiles.NAME (only the sections that differ; a null in a profile takes the default's away)
      hours         null, or {timezone, week: {mon: [[from, to], ...]}, closed: ["2026-12-25", ...]} as in a destination
      recording     null, or {announce: [steps of say; empty when nothing is said], channels: "mono" | "dual",
                    statusCallback: absent or a URL}
      greetingSeconds   of the greeting and the announcement together
      outcomes      with closed and machine; steps also {sms: {text, to: VALUE, from: "called" | "+1..."}}
    destinations.NAME
      number, sip   answerOnBridge: absent or true; timeLimit: absent or seconds; record: absent or Twilio's value
      enqueue       queue: NAME; or workflowSid, priority and timeout: absent or numbers, attributes: NESTED.
                    waitUrl: absent or a URL, with both
      voicemail     say: absent or a text; maxSeconds; notify: absent or {url, secretVariable: absent or a name}

VALUE is a text or {from, default: absent or a text, map: absent or {text: text}}. NESTED is any JSON: in it a mapping
of `from` and nothing but from, map and default is a VALUE whose default and map may hold any single JSON value, and
every other mapping, list, number, text or switch is sent as it stands.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from ga_deploy.config.schema import From, Notify, Pause, Play, Say, Send, Sms
from ga_deploy.config.settings_shapes import present, write_hours, write_value
from ga_deploy.config.waiting import steps_of_waiting
from ga_deploy.errors import Finding
from ga_deploy.redact import Secret
from ga_deploy.twilio_rules.environment import MOST_BYTES, guess_domain, list_added, measure_variables
from ga_deploy.twilio_rules.speech import estimate_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ga_deploy.config.schema import (
        Asapp,
        Config,
        Destination,
        Outcomes,
        Profile,
        Recording,
        Step,
        Value,
    )

# Assumed length in seconds of a sound file while the result is late.
_SOUND = 4


@dataclass
class Settings:
    """`content` goes into the settings module; `variables` into the environment."""

    content: dict[str, object]
    variables: dict[str, str | Secret]
    findings: list[Finding] = field(default_factory=list)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8].upper()


def read_settings(config: Config, folder: str) -> Settings:
    """Return the settings for `config`; `folder` is the directory of engage's path, ending in `/`."""
    made = Settings({}, {})
    writer = _Writer(config, made)
    functions, flow = config.functions, config.flow
    default = writer.profile(config, "")
    made.content = {
        "paths": {
            "engage": functions.engage.path,
            "callComplete": functions.call_complete.path,
            "streamStatus": functions.stream_status.path,
            "flowEngage": flow.engage.path,
            "callTransfer": flow.call_transfer.path,
        },
        "hooks": {
            "beforeEngage": f"{folder}hooks/before-engage"[1:] if config.hooks.before_engage else None,
            "afterCall": f"{folder}hooks/after-call"[1:] if config.hooks.after_call else None,
        },
        "destinations": {name: writer.destination(name, one) for name, one in config.destinations.items()},
        "callerId": account_number(config),
        "carried": sorted(_query_names(config)),
        "default": default,
        "profiles": {name: _changes(writer.profile(one, name), default) for name, one in config.profiles.items()},
    }
    made.variables |= config.variables
    made.findings += _check_size(config, made.variables)
    return made


def account_number(config: Config) -> str | None:
    """Return a number of the account, shown for calls that have no number to show; None if none is known."""
    return config.caller_id or next((entry.number for entry in config.phone_numbers), None)


def _check_size(config: Config, variables: Mapping[str, str | Secret]) -> Iterator[Finding]:
    """Yield an error if our variables alone are too large for Twilio; those of others are counted by `plan`."""
    domain = guess_domain(config.service.name, config.environment.domain_suffix or "")
    added = list_added(domain, with_credentials=config.service.include_credentials)
    values = {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in variables.items() if value
    }
    total = measure_variables({**values, **added})
    if total > MOST_BYTES:
        yield Finding(
            "the environment variables are too large",
            why=f"with those that Twilio adds they take {total} bytes; a deployment fails above {MOST_BYTES}",
            fix="move long values into a hook, or into a private asset",
            at=config.place("variables"),
        )


def _changes(profile: dict[str, object], default: dict[str, object]) -> dict[str, object]:
    """Return the sections in which a profile differs; the functions merge them over the default."""
    return {section: content for section, content in profile.items() if content != default[section]}


def _values(config: Config) -> Iterator[Value]:
    """Yield every value that is looked up after the first request: after the agent, or in a reconnect."""
    for destination in config.destinations.values():
        yield from (value for _, value in destination.lookups())
    profiles: tuple[Config | Profile, ...] = (config, *config.profiles.values())
    for profile in profiles:
        named = profile.input
        yield from (one for one in (named.customerId, named.taskName, *named.variables.values()) if one is not None)
        for name in type(profile.outcomes).model_fields:
            for step in getattr(profile.outcomes, name):
                if isinstance(step, Send) and step.by:
                    yield step.by
                elif isinstance(step, Sms):
                    yield step.to


def _query_names(config: Config) -> set[str]:
    return {value.key for value in _values(config) if isinstance(value, From) and value.root == "query"}


class _Writer:
    """Writes the sections of one config and collects the variables that they need."""

    def __init__(self, config: Config, made: Settings) -> None:
        self._config = config
        self._made = made
        self._asapp: dict[tuple[str, Secret, Secret], dict[str, str]] = {}

    def profile(self, profile: Config | Profile, name: str) -> dict[str, object]:
        values = profile.input
        named = {"customerId": values.customerId, "taskName": values.taskName, **values.variables}
        announced = self.announcement(profile.recording)
        return {
            "input": {key: write_value(one) for key, one in named.items() if one is not None and one != ""},
            "voice": {"name": profile.voice.name, "language": profile.voice.language},
            "greeting": [self.step(step) for step in profile.greeting],
            "greetingSeconds": round(sum(map(_seconds, (*profile.greeting, *announced)))),
            "waiting": self.waiting(profile),
            "hours": write_hours(profile.hours),
            "recording": profile.recording
            and present(
                {
                    "announce": [self.step(step) for step in announced],
                    "channels": profile.recording.channels,
                    "statusCallback": profile.recording.status_callback,
                }
            ),
            "asapp": self.asapp(profile.asapp, name),
            "outcomes": self.outcomes(profile.outcomes),
        }

    @staticmethod
    def announcement(recording: Recording | None) -> tuple[Say, ...]:
        """Return the announcement before a recording."""
        return (Say(text=recording.announce),) if recording and recording.announce.strip() else ()

    def waiting(self, profile: Config | Profile) -> dict[str, object]:
        """Return the steps between two polls, with about how many seconds they take."""
        steps: tuple[Step, ...] = steps_of_waiting(profile.waiting, profile.voice) or (Pause(seconds=1),)
        seconds = sum(_SOUND if isinstance(step, Play) else ceil(_seconds(step)) for step in steps)
        most = profile.waiting.max_seconds
        return {"steps": [self.step(step) for step in steps], "seconds": seconds, "maxSeconds": most}

    def asapp(self, asapp: Asapp, profile: str) -> dict[str, object]:
        access = (asapp.api_host, asapp.api_id, asapp.api_secret)
        if access not in self._asapp:
            suffix = f"_{_digest(profile)}" if profile else ""
            prefix = "GA_ASAPP" if profile else "ASAPP_API"
            names = {f"{part}Variable": f"{prefix}_{part.upper()}{suffix}" for part in ("host", "id", "secret")}
            self._asapp[access] = names
            self._made.variables.update(zip(names.values(), access, strict=True))
        return {
            **self._asapp[access],
            "voiceAgentMode": asapp.voice_agent_mode,
            "timeoutMs": asapp.timeout_ms,
            "budgetMs": asapp.budget_ms,
            "urlCacheSeconds": asapp.url_cache_seconds,
            "reconnect": asapp.reconnect,
        }

    def outcomes(self, outcomes: Outcomes) -> dict[str, object]:
        return {name: [self.step(step) for step in getattr(outcomes, name)] for name in type(outcomes).model_fields}

    def step(self, step: Step) -> dict[str, object]:
        match step:
            case Say():
                return {"say": present({"text": step.text, "voice": step.voice, "language": step.language})}
            case Play():
                return {"play": {"url": step.url}}
            case Pause():
                return {"pause": {"seconds": step.seconds}}
            case Notify():
                return {"notify": self.write_notify(step)}
            case Sms():
                return {"sms": {"text": step.text, "to": write_value(step.to), "from": step.sender}}
            case Send():
                by = write_value(step.by) if step.by else None
                return {"send": present({"to": step.to, "by": by, "map": step.map, "default": step.default})}
            case _:
                return {"hangup": {}}

    def write_notify(self, step: Notify) -> dict[str, object]:
        """Return a web hook, its secret kept in a variable."""
        return present({"url": step.url, "secretVariable": self.notify_secret(step)})

    def notify_secret(self, step: Notify) -> str | None:
        if not step.secret:
            return None
        name = f"GA_NOTIFY_SECRET_{_digest(step.url)}"
        if self._made.variables.setdefault(name, step.secret) != step.secret:
            self._made.findings.append(
                Finding(
                    "a web hook has two secrets",
                    why="secrets are stored by URL, and two steps with this URL have different secrets",
                    fix="use one secret for both steps, or make the URLs differ by a query parameter",
                    at=self._config.place("outcomes"),
                )
            )
        return name

    def destination(self, name: str, to: Destination) -> dict[str, object]:
        return present({"kind": to.kind, **to.write(name, self), "hours": write_hours(to.hours)})

    def keep_sip_password(self, name: str, password: Secret) -> str:
        """Keep the password of a destination; return the name of its variable."""
        variable = f"GA_SIP_PASSWORD_{_digest(name)}"
        self._made.variables[variable] = password
        return variable


def _seconds(step: Step) -> float:
    """Estimate how long a step of the greeting takes: a stream URL must outlive it."""
    match step:
        case Say():
            return estimate_seconds(step.text)
        case Pause():
            return step.seconds
        case _:
            return 10
