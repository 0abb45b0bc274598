"""The top level of the config language; every section is a frozen model in a module of its own.

Attributes are named like the keys in YAML. `Language` is a config after its environment and its profiles are merged;
`Config` adds the environment, the path and the positions. The descriptions of the keys make the reference page and
the hints of editors (`ga-deploy schema`).
"""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PrivateAttr

from ga_deploy.config.account import Service, Twilio
from ga_deploy.config.addresses import PhoneNumber
from ga_deploy.config.asapp import Asapp
from ga_deploy.config.destinations import (
    AnyDestination,
    Destination,
    EnqueueDestination,
    NumberDestination,
    RedirectDestination,
    ReferDestination,
    SipDestination,
    VoicemailDestination,
)
from ga_deploy.config.destinations.voicemail import Voicemail
from ga_deploy.config.fallback import FallbackStep
from ga_deploy.config.file_path import FilePath
from ga_deploy.config.flow_section import Flow
from ga_deploy.config.function_paths import FunctionAt, Functions
from ga_deploy.config.hours import Hours
from ga_deploy.config.input import Input
from ga_deploy.config.outcomes import Outcomes
from ga_deploy.config.phone_number_binding import PhoneNumberBinding
from ga_deploy.config.profile import Profile
from ga_deploy.config.queue import Queue
from ga_deploy.config.recording import Recording
from ga_deploy.config.scalars import Choice, check_each, finding, pattern
from ga_deploy.config.steps import GreetingStep, Hangup, Notify, Pause, Play, Say, Send, Sms, Step
from ga_deploy.config.values import From, Strict, Value
from ga_deploy.config.variables import check_variables
from ga_deploy.config.voice import Voice
from ga_deploy.config.waiting import Waiting
from ga_deploy.errors import Finding, Place
from ga_deploy.redact import Secret

__all__ = [
    "COMPLETED",
    "Asapp",
    "Config",
    "Destination",
    "EnqueueDestination",
    "Flow",
    "From",
    "FunctionAt",
    "Functions",
    "Hangup",
    "Hooks",
    "Hours",
    "Input",
    "Language",
    "Notify",
    "NumberDestination",
    "Outcomes",
    "Pause",
    "PhoneNumberBinding",
    "Play",
    "Profile",
    "Queue",
    "Recording",
    "RedirectDestination",
    "ReferDestination",
    "Say",
    "SelectedEnvironment",
    "Send",
    "Service",
    "SipDestination",
    "Sms",
    "Step",
    "Twilio",
    "Value",
    "Voice",
    "Voicemail",
    "VoicemailDestination",
    "Waiting",
]


class EnvironmentOverrides(Strict):
    """An environment: its domain suffix, and the keys that differ from the rest of the file."""

    model_config = ConfigDict(extra="ignore")

    domain_suffix: (
        Annotated[
            str,
            *pattern(
                r"[A-Za-z0-9]([A-Za-z0-9-]{0,14}[A-Za-z0-9])?",
                "cannot be a domain suffix",
                "it has 1 to 16 letters, digits and dashes, because it is part of a host name",
                "choose a short word such as stage",
            ),
        ]
        | None
    ) = Field(None, description="end of the domain, e.g. stage; the Console's environment `ui` has none")


class Hooks(Strict):
    """Your own JavaScript, deployed as private functions.

    Once loaded, the paths are absolute.
    """

    before_engage: FilePath | None = Field(None, description="(call, context) -> extra input variables")
    after_call: FilePath | None = Field(None, description="(outcome, context) -> outcome steps, or nothing")


def _named(regex: str, kind: str, rule: str) -> BeforeValidator:
    """Return a validator for the names that a section defines."""

    def check(name: str, value: Any) -> Any:
        if not re.fullmatch(regex, name):
            raise finding(f"`{name[:60]}` cannot be the name of a {kind}", rule, "choose another name", at_key=True)
        return value

    return BeforeValidator(lambda value: check_each(value, check))


# Sections whose required keys come from another section when the user leaves them out.
COMPLETED = (Profile, FunctionAt)


class SelectedEnvironment(Strict):
    """The selected environment; `name` is its Twilio unique name."""

    name: str
    domain_suffix: str | None


class Language(Strict):
    """All keys of a config, named as in YAML."""

    version: Annotated[typing.Literal[1], Field(description="version of the config language")] = 1
    twilio: Twilio
    asapp: Asapp
    service: Service = Field(default_factory=Service)
    functions: Functions = Field(default_factory=Functions)
    input: Input = Field(default_factory=Input)
    caller_id: PhoneNumber | None = Field(
        None,
        description="number of the account that is shown for callers without one (client, SIP); default: the first "
        "of `phone_numbers`",
    )
    voice: Voice = Field(default_factory=Voice)
    greeting: tuple[GreetingStep, ...] = Field(
        (), description="steps before the agent speaks (say, play, pause), e.g. a legal notice; keep it short"
    )
    waiting: Waiting = Field(default_factory=Waiting)
    hours: Hours | None = Field(
        None, description="when calls go to the agent; at other times `outcomes.closed` runs. Always, when empty"
    )
    recording: Recording | None = Field(
        None, description="record the calls that go to the agent; no recording when empty"
    )
    fallback: tuple[FallbackStep, ...] = Field(
        (),
        description="steps for callers when no function works: say, play, pause, send and hangup, as a public "
        "static document",
    )
    destinations: Annotated[
        dict[str, AnyDestination],
        _named(r"\w[\w .\-]{0,63}", "destination", "a name has up to 64 letters, digits, blanks, dots and dashes"),
    ] = Field(default_factory=dict, description="where a call may go after the agent; nothing else can be dialled")
    outcomes: Outcomes = Field(default_factory=Outcomes)
    profiles: Annotated[
        dict[str, Profile],
        _named(
            r"[A-Za-z0-9_\-]{1,64}", "profile", "it is part of URLs: up to 64 letters, digits, dashes and underscores"
        ),
    ] = Field(
        default_factory=dict,
        description="merged key by key over input, greeting, voice, waiting, hours, recording, outcomes and asapp",
    )
    flow: Flow = Field(default_factory=Flow)
    hooks: Hooks = Field(default_factory=Hooks)
    variables: Annotated[dict[str, str | Secret], BeforeValidator(check_variables)] = Field(
        default_factory=dict,
        description="more environment variables for the hooks; a value from ${NAME} is a secret",
    )
    templates: FilePath | None = Field(
        None, description="folder with your copies of templates; they replace the built-in ones"
    )
    state: Annotated[typing.Literal["sync", "local"], Choice] = Field(
        "sync", description="where releases and the lock are kept: sync (Twilio Sync) or local"
    )
    phone_numbers: tuple[PhoneNumberBinding, ...] = Field(
        (), description="numbers of `default_environment`; other environments list their own"
    )
    default_environment: str = Field("ui", description="used without --env")
    environments: dict[str, EnvironmentOverrides] = Field(
        default_factory=lambda: {"ui": EnvironmentOverrides()},
        description="merged over the rest of the file: mappings key by key, lists as a whole; null removes a key",
    )

    model_config = ConfigDict(arbitrary_types_allowed=True)


class Config(Language):
    """The merged config of the selected environment and its file. Only `load_config` makes one."""

    environment: SelectedEnvironment
    path: Path
    warnings: Annotated[tuple[Finding, ...], AfterValidator(tuple)] = ()
    _find: typing.Callable[[tuple[str | int, ...]], Place] | None = PrivateAttr(default=None)

    def place(self, *keys: str | int) -> Place | None:
        """Return the place of a value in the file, e.g. of `place("phone_numbers", 0, "number")`.

        A value that is not written (a default) has the place of the nearest section above it; None without one.
        """
        return self._find(keys) if self._find else None
