"""The config as the functions read it: one JSON-able value, and the environment variables beside it.

Defaults are filled in and short forms written out, so that the JavaScript has one shape to deal with. Whatever is a
secret stays out: its place holds the name of the variable that it is in (`…Variable`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from ga_deploy.config.schema import (
    EnqueueDestination,
    From,
    Notify,
    NumberDestination,
    Pause,
    Play,
    RedirectDestination,
    ReferDestination,
    Say,
    Send,
    SipDestination,
)
from ga_deploy.config.waiting import steps_of_waiting
from ga_deploy.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Asapp, Config, Destination, Outcomes, Profile, Step, Value
    from ga_deploy.redact import Secret

# Seconds that a recording is taken to last while a result is awaited.
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
    """Return what the functions have to know of `config`; `folder` is the directory of engage's path, ending in `/`."""
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
        "carried": sorted(_query_names(config)),
        "default": default,
        "profiles": {name: _changes(writer.profile(one, name), default) for name, one in config.profiles.items()},
    }
    made.variables |= config.variables
    return made


def _changes(profile: dict[str, object], default: dict[str, object]) -> dict[str, object]:
    """Return the sections in which a profile differs; the functions lay them over the default."""
    return {section: content for section, content in profile.items() if content != default[section]}


def _values(config: Config) -> Iterator[Value]:
    """Yield every value that is looked up after the first request: in what follows the agent, and in a reconnect."""
    for destination in config.destinations.values():
        if isinstance(destination, SipDestination):
            yield from destination.headers.values()
        elif isinstance(destination, EnqueueDestination):
            yield from destination.enqueue.attributes.values()
        elif isinstance(destination, RedirectDestination):
            yield from destination.params.values()
    profiles: tuple[Config | Profile, ...] = (config, *config.profiles.values())
    for profile in profiles:
        named = profile.input
        yield from (one for one in (named.customerId, named.taskName, *named.variables.values()) if one is not None)
        for name in type(profile.outcomes).model_fields:
            yield from (step.by for step in getattr(profile.outcomes, name) if isinstance(step, Send) and step.by)


def _query_names(config: Config) -> set[str]:
    return {value.key for value in _values(config) if isinstance(value, From) and value.root == "query"}


class _Writer:
    """Writes sections of one config out, and collects the variables that they need."""

    def __init__(self, config: Config, made: Settings) -> None:
        self._config = config
        self._made = made
        self._asapp: dict[tuple[str, Secret, Secret], dict[str, str]] = {}

    def profile(self, profile: Config | Profile, name: str) -> dict[str, object]:
        values = profile.input
        named = {"customerId": values.customerId, "taskName": values.taskName, **values.variables}
        return {
            "input": {key: _value(one) for key, one in named.items() if one is not None},
            "voice": {"name": profile.voice.name, "language": profile.voice.language},
            "greeting": [self.step(step) for step in profile.greeting],
            "greetingSeconds": round(sum(map(_seconds, profile.greeting))),
            "waiting": self.waiting(profile),
            "asapp": self.asapp(profile.asapp, name),
            "outcomes": self.outcomes(profile.outcomes),
        }

    def waiting(self, profile: Config | Profile) -> dict[str, object]:
        """Return what is heard between two looks at a result, with about how many seconds that takes."""
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
                return {"say": _present({"text": step.text, "voice": step.voice, "language": step.language})}
            case Play():
                return {"play": {"url": step.url}}
            case Pause():
                return {"pause": {"seconds": step.seconds}}
            case Notify():
                return {"notify": _present({"url": step.url, "secretVariable": self.notify_secret(step)})}
            case Send():
                by = _value(step.by) if step.by else None
                return {"send": _present({"to": step.to, "by": by, "map": step.map, "default": step.default})}
            case _:
                return {"hangup": {}}

    def notify_secret(self, step: Notify) -> str | None:
        if not step.secret:
            return None
        name = f"GA_NOTIFY_SECRET_{_digest(step.url)}"
        if self._made.variables.setdefault(name, step.secret) != step.secret:
            self._made.findings.append(
                Finding(
                    "one web hook has two secrets",
                    why="a notification's secret is kept by its URL, and two steps with the same URL differ",
                    fix="give both steps the same secret, or tell the URLs apart by a query parameter",
                    at=self._config.place("outcomes"),
                )
            )
        return name

    def destination(self, name: str, to: Destination) -> dict[str, object]:
        hours = to.hours and {
            "timezone": to.hours.timezone,
            "week": {day: spans for day, spans in to.hours.week().items() if spans},
            "closed": to.hours.closed,
        }
        match to:
            case NumberDestination():
                content: dict[str, object] = {
                    "kind": "number",
                    "number": to.number,
                    "callerId": to.caller_id,
                    "timeout": to.timeout,
                }
            case SipDestination():
                variable = f"GA_SIP_PASSWORD_{_digest(name)}" if to.password else None
                if variable and to.password:
                    self._made.variables[variable] = to.password
                content = {
                    "kind": "sip",
                    "sip": to.sip,
                    "username": to.username,
                    "passwordVariable": variable,
                    "headers": _each(to.headers),
                    "callerId": to.caller_id,
                    "timeout": to.timeout,
                }
            case EnqueueDestination():
                queue = to.enqueue
                content = {
                    "kind": "enqueue",
                    "workflowSid": queue.workflow_sid,
                    "attributes": _each(queue.attributes),
                }
            case RedirectDestination():
                content = {"kind": "redirect", "redirect": to.redirect, "params": _each(to.params)}
            case ReferDestination():
                content = {"kind": "refer", "refer": to.refer}
        return _present({**content, "hours": hours})


def _each(values: dict[str, Value]) -> dict[str, object]:
    return {name: _value(one) for name, one in values.items()}


def _value(value: Value) -> object:
    if isinstance(value, From):
        return _present({"from": value.name, "default": value.default, "map": value.map})
    return value


def _present(values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _seconds(step: Step) -> float:
    """Estimate how long a step of the greeting takes: a stream URL must outlive it."""
    match step:
        case Say():
            return len(step.text) / 12
        case Pause():
            return step.seconds
        case _:
            return 10
