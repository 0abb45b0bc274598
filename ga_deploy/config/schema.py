"""The config language as types: one frozen model a section, attribute names as the keys in YAML.

Longer than most modules: it is a list of every key, with its default and its meaning.

`Language` is what a config says once its environment and its profiles are merged; `Config` adds what the loader knows
besides. The descriptions here are the reference page and what editors show (`ga-deploy schema`).
"""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PrivateAttr, WithJsonSchema

from ga_deploy.config import dependencies as npm
from ga_deploy.config.addresses import AccountSid, ApiHost, ApiKeySid, HttpsUrl, PhoneNumber
from ga_deploy.config.destinations import (
    AnyDestination,
    Destination,
    EnqueueDestination,
    NumberDestination,
    RedirectDestination,
    ReferDestination,
    SipDestination,
    Voicemail,
    VoicemailDestination,
)
from ga_deploy.config.fallback import FallbackStep
from ga_deploy.config.file_path import FilePath
from ga_deploy.config.flow_section import Flow
from ga_deploy.config.function_paths import FunctionAt, Functions
from ga_deploy.config.hours import Hours
from ga_deploy.config.queue import Queue
from ga_deploy.config.recording import Recording
from ga_deploy.config.scalars import (
    ApiId,
    ApiSecret,
    Choice,
    SecretText,
    Text,
    Truth,
    Whole,
    check_each,
    finding,
    pattern,
)
from ga_deploy.config.steps import GreetingStep, Hangup, Notify, Pause, Play, Say, Send, Sms, Step
from ga_deploy.config.values import From, Strict, Value
from ga_deploy.config.variables import check_variables
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


class Twilio(Strict):
    """The account, and what proves that it is yours: the auth token, or an API key with its secret."""

    account_sid: AccountSid = Field(
        description="the account this config belongs to; another account's credentials are refused"
    )
    auth_token: SecretText | None = Field(None, description="only the token can sign smoke tests")
    api_key: ApiKeySid | None = Field(None, description="SK..., instead of the token")
    api_key_secret: SecretText | None = Field(None, description="the secret of `api_key`")


class Asapp(Strict):
    """ASAPP's API and how long a caller may have to wait for it."""

    api_host: ApiHost = Field(description="a bare host is accepted; http:// is refused")
    api_id: ApiId = Field(description="the API id that ASAPP gave you")
    api_secret: ApiSecret = Field(description="the API secret that ASAPP gave you; a ${NAME} reference")
    voice_agent_mode: Annotated[typing.Literal["cascade", "s2s"], Choice] | None = Field(
        None, description="cascade or s2s; left to ASAPP when empty"
    )
    timeout_ms: Annotated[Whole, Field(ge=100, le=9000)] = Field(2000, description="for one request to ASAPP")
    budget_ms: Annotated[Whole, Field(ge=100, le=9000)] = Field(
        6000, description="for all tries together; a function has 10 s, Twilio waits 15 s"
    )
    url_cache_seconds: Annotated[Whole, Field(ge=0, le=299)] = Field(
        240, description="a stream URL lives 300 s and serves many calls; 0 turns caching off"
    )
    reconnect: Annotated[Whole, Field(ge=0, le=5)] = Field(
        1, description="new streams (same conversation) when one breaks in mid-call"
    )


_UNIQUE_NAME = pattern(
    r"[A-Za-z0-9-]{1,50}",
    "cannot be the unique name of a Twilio service",
    "it has 1 to 50 letters, digits and dashes",
    "choose another name; a service keeps its name for ever",
)


class Service(Strict):
    """The Serverless service. An existing one of that name is adopted, never replaced."""

    name: Annotated[str, *_UNIQUE_NAME] = Field("GenerativeAgentService", description="Twilio unique name")
    runtime: Annotated[str, BeforeValidator(npm.check_runtime)] | None = Field(
        None, description="e.g. node22; empty keeps what is live, node22 for a new service (it ends in April 2027)"
    )
    dependencies: Annotated[dict[str, str], BeforeValidator(npm.check_dependencies)] = Field(
        default_factory=lambda: {"axios": npm.RECOMMENDED_AXIOS},
        description="npm packages at exact versions; known-bad versions are refused; others' dependencies stay",
    )
    include_credentials: Truth = Field(True, description="give the functions the account's credentials")
    ui_editable: Truth = Field(True, description="let the Console edit the service")


_RESERVED_INPUTS = ("customerId", "taskName")


def _input_variable(name: str, value: Any) -> Any:
    if name in _RESERVED_INPUTS or name.lower().startswith("asapp_"):
        raise finding(
            f"the input variable `{name[:60]}` has a reserved name",
            "ASAPP gives customerId, taskName and all that begins with asapp_ a meaning of its own",
            f"move it up, to `input.{name}`" if name in _RESERVED_INPUTS else "rename it",
            at_key=True,
        )
    if not re.fullmatch(r"[\w.\-]{1,200}", name):
        raise finding(
            f"`{name[:60]}` cannot be the name of an input variable",
            "it is sent as the name of a stream parameter",
            "use letters, digits and underscores",
            at_key=True,
        )
    return value


def _named(regex: str, kind: str, rule: str) -> BeforeValidator:
    """Return a validator for the names that a section defines."""

    def check(name: str, value: Any) -> Any:
        if not re.fullmatch(regex, name):
            raise finding(f"`{name[:60]}` cannot be the name of a {kind}", rule, "choose another name", at_key=True)
        return value

    return BeforeValidator(lambda value: check_each(value, check))


class Input(Strict):
    """What the agent is told when a call starts. An allow-list: nothing else is sent."""

    customerId: Value | None = Field(  # noqa: N815 - ASAPP's name
        default_factory=lambda: From(name="call.customer"),
        description='customer id in ASAPP, unique and stable; "" sends none',
    )
    taskName: Value | None = Field(None, description="the task to enter first; ASAPP chooses when empty")  # noqa: N815 - ASAPP's name
    variables: Annotated[dict[str, Value], BeforeValidator(lambda value: check_each(value, _input_variable))] = Field(
        default_factory=dict, description="become GenerativeAgent inputVariables"
    )


_VOICE = pattern(
    r"[A-Za-z0-9.\-]+",
    "is not a voice",
    "Twilio's voices have names like Polly.Joanna-Neural",
    "use a name from Twilio's list of voices",
    stand_in="Polly.Joanna-Neural",
)
_LANGUAGE = pattern(
    r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*",
    "is not a language",
    "languages have names like en-US",
    "write a BCP 47 tag such as en-US",
    stand_in="en-US",
)


class Voice(Strict):
    """The voice of `say`; a step may have its own."""

    name: Annotated[str, *_VOICE] = Field("Polly.Joanna-Neural", description="one of Twilio's voices")
    language: Annotated[str, *_LANGUAGE] = Field("en-US", description="BCP 47 tag")


class Waiting(Strict):
    """What the caller hears while a late result is awaited; a short sentence if neither `say` nor `play` is set."""

    say: Annotated[
        Annotated[Text, Field(max_length=500)] | None,
        BeforeValidator(lambda value: None if value == "" else value),
    ] = Field(None, description="what is said, in the voice of `voice`")
    play: Annotated[
        HttpsUrl | None,
        BeforeValidator(lambda value: value or None),
        WithJsonSchema({"type": "string", "pattern": "^(https://.*)?$"}),
    ] = Field(None, description="https URL of a WAV or MP3 file; silence when it is empty and `say` is not set")
    max_seconds: Annotated[Whole, Field(ge=0, le=120)] = Field(15, description="how long a result is awaited at most")


Steps = tuple[Step, ...]
_SORRY = "We are sorry, nobody is available right now. Please call again later."
_CLOSED = "We are closed. Please call again later."


class Outcomes(Strict):
    """What the caller gets in each ending: steps, in order. When all have failed, `exhausted` is run."""

    agent: Steps = Field((), description="the caller needs a person")
    system: Steps = Field((Hangup(),), description="GenerativeAgent handed over to a system")
    completed: Steps = Field((Hangup(),), description="the conversation is simply over")
    dropped: Steps = Field((), description="the stream broke and reconnecting did not help")
    unknown: Steps = Field((), description="no result could be had in time")
    failed: Steps = Field((), description="ASAPP could not be reached, or the stream never opened")
    closed: Steps = Field((Say(text=_CLOSED), Hangup()), description="the call came outside `hours`")
    machine: Steps = Field(
        (Hangup(),), description="a machine or a fax answered a call that the account placed (Twilio: AnsweredBy)"
    )
    bypass: Steps = Field((), description="calls that `ga-deploy traffic` keeps away from GenerativeAgent")
    exhausted: Steps = Field(
        (Say(text=_SORRY), Hangup()), description="every step before was closed, busy, silent or failing"
    )


class Profile(Strict):
    """Numbers that need another task, language or handling.

    Once loaded, every section is complete: merged over that of the config.
    """

    input: Input = Field(default_factory=Input, description="merged over `input`")
    greeting: tuple[GreetingStep, ...] = Field((), description="replaces `greeting`")
    voice: Voice = Field(default_factory=Voice, description="merged over `voice`")
    waiting: Waiting = Field(default_factory=Waiting, description="merged over `waiting`")
    outcomes: Outcomes = Field(default_factory=Outcomes, description="merged over `outcomes`")
    hours: Hours | None = Field(None, description="merged over `hours`")
    recording: Recording | None = Field(None, description="merged over `recording`")
    asapp: Asapp = Field(description="merged over `asapp`")


class Hooks(Strict):
    """Your own JavaScript, deployed as private functions.

    Once loaded, the paths are absolute.
    """

    before_engage: FilePath | None = Field(None, description="(call, context) -> extra input variables")
    after_call: FilePath | None = Field(None, description="(outcome, context) -> outcome steps, or nothing")


class PhoneNumberBinding(Strict):
    """A phone number and what answers it."""

    number: PhoneNumber = Field(description="E.164, in quotes")
    to: Annotated[typing.Literal["engage", "flow"], Choice] = Field("engage", description="engage or flow")
    profile: str | None = Field(None, description="one of `profiles`")
    fallback_url: HttpsUrl | None = Field(
        None,
        description="when our function fails; default: the URL the number had before, if it was a real one",
    )
    fallback_method: Annotated[typing.Literal["GET", "POST"], Choice] = Field("POST", description="GET or POST")


class EnvironmentOverrides(Strict):
    """An environment: its domain suffix, and whatever it says otherwise than the rest of the file."""

    model_config = ConfigDict(extra="ignore")

    domain_suffix: (
        Annotated[
            str,
            *pattern(
                r"[A-Za-z0-9]([A-Za-z0-9-]{0,14}[A-Za-z0-9])?",
                "cannot be a domain suffix",
                "it has 1 to 16 letters, digits and dashes, and stands in a host name",
                "choose a short word such as stage",
            ),
        ]
        | None
    ) = Field(None, description="ends the domain, e.g. stage; none for the Console's environment `ui`")


# Sections whose required keys are filled in from elsewhere when the user leaves them out.
COMPLETED = (Profile, FunctionAt)


class SelectedEnvironment(Strict):
    """The environment that was asked for; `name` is its Twilio unique name."""

    name: str
    domain_suffix: str | None


class Language(Strict):
    """Everything a config says, keys as in YAML."""

    version: Annotated[typing.Literal[1], Field(description="of the config language")] = 1
    twilio: Twilio
    asapp: Asapp
    service: Service = Field(default_factory=Service)
    functions: Functions = Field(default_factory=Functions)
    input: Input = Field(default_factory=Input)
    caller_id: PhoneNumber | None = Field(
        None,
        description="a number of the account, shown for callers who have none (client, SIP); default: the first of "
        "`phone_numbers`",
    )
    voice: Voice = Field(default_factory=Voice)
    greeting: tuple[GreetingStep, ...] = Field(
        (), description="say, play or pause before the agent speaks, e.g. a legal notice; keep it short"
    )
    waiting: Waiting = Field(default_factory=Waiting)
    hours: Hours | None = Field(
        None, description="when calls go to the agent at all; outside them `outcomes.closed` is run. Always, when empty"
    )
    recording: Recording | None = Field(None, description="record the calls that go to the agent; none, when empty")
    fallback: tuple[FallbackStep, ...] = Field(
        (),
        description="what callers get when the functions are dead: say, play, pause, send and hangup, as a public "
        "static document",
    )
    destinations: Annotated[
        dict[str, AnyDestination],
        _named(r"\w[\w .\-]{0,63}", "destination", "it has up to 64 letters, digits, blanks, dots and dashes"),
    ] = Field(default_factory=dict, description="where a call may go afterwards; nothing else can be dialled")
    outcomes: Outcomes = Field(default_factory=Outcomes)
    profiles: Annotated[
        dict[str, Profile],
        _named(
            r"[A-Za-z0-9_\-]{1,64}", "profile", "it stands in URLs: up to 64 letters, digits, dashes and underscores"
        ),
    ] = Field(
        default_factory=dict,
        description="merged key by key over input, greeting, voice, waiting, hours, recording, outcomes and asapp",
    )
    flow: Flow = Field(default_factory=Flow)
    hooks: Hooks = Field(default_factory=Hooks)
    variables: Annotated[dict[str, str | Secret], BeforeValidator(check_variables)] = Field(
        default_factory=dict,
        description="further environment variables for the hooks; what comes out of ${NAME} is a secret",
    )
    templates: FilePath | None = Field(
        None, description="folder with your copies of rendered files; they win over the built-in ones"
    )
    state: Annotated[typing.Literal["sync", "local"], Choice] = Field(
        "sync", description="where releases and the lock are kept: sync (Twilio Sync) or local"
    )
    phone_numbers: tuple[PhoneNumberBinding, ...] = Field(
        (), description="the numbers of `default_environment`; the others list their own"
    )
    default_environment: str = Field("ui", description="used without --env")
    environments: dict[str, EnvironmentOverrides] = Field(
        default_factory=lambda: {"ui": EnvironmentOverrides()},
        description="merged over everything above: maps key by key, lists replaced, null removes",
    )

    model_config = ConfigDict(arbitrary_types_allowed=True)


class Config(Language):
    """The merged config of the selected environment, with its origin. Made by `load_config` only."""

    environment: SelectedEnvironment
    path: Path
    warnings: Annotated[tuple[Finding, ...], AfterValidator(tuple)] = ()
    _find: typing.Callable[[tuple[str | int, ...]], Place] | None = PrivateAttr(default=None)

    def place(self, *keys: str | int) -> Place | None:
        """Return where a value stands in the file, e.g. `place("phone_numbers", 0, "number")`.

        What is not written (a default) has the place of the nearest section that is; None when there is none.
        """
        return self._find(keys) if self._find else None
