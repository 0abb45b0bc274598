"""The steps of outcomes and greetings: say, play, pause, notify, sms, send, hangup."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from ga_deploy.config.addresses import HttpsUrl, check_phone_number
from ga_deploy.config.scalars import SecretText, Text, Whole, finding, is_made_up, kind_of, show
from ga_deploy.config.values import From, Strict
from ga_deploy.config.voice import LANGUAGE, VOICE_NAME
from ga_deploy.twilio_rules.e164 import PATTERN as E164


class Say(Strict):
    """Speak a text. `voice` and `language` override the section `voice`."""

    text: Annotated[Text, Field(min_length=1, max_length=5000)] = Field(
        description="text: up to 3,000 characters with Polly voices, 4,096 with basic ones, 5,000 with Google's"
    )
    voice: Annotated[str, *VOICE_NAME] | None = Field(None, description="overrides voice.name")
    language: Annotated[str, *LANGUAGE] | None = Field(None, description="overrides voice.language")

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, raw: Any) -> Any:
        return _content(raw, "say", "text")


class Play(Strict):
    """Play a recording."""

    url: HttpsUrl = Field(description="https URL of a WAV or MP3 file")

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, raw: Any) -> Any:
        return _content(raw, "play", "url")


class Pause(Strict):
    """Silence, in seconds."""

    seconds: Annotated[Whole, Field(ge=1, le=60)] = Field(1, description="whole seconds, 1 to 60")

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, raw: Any) -> Any:
        return _content(raw, "pause", "seconds")


class Notify(Strict):
    """Post the outcome to a web hook as JSON, signed with HMAC if there is a secret; one try of at most one second."""

    url: HttpsUrl = Field(description="https URL that takes the POST")
    secret: SecretText | None = Field(None, description="key of the HMAC signature; a ${NAME} reference")

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, raw: Any) -> Any:
        return _content(raw, "notify", "url")


def _sms_sender(value: Any) -> str:
    if value == "called":
        return "called"
    if isinstance(value, str) and not value.startswith("+") and not is_made_up(value):
        raise finding(
            f"{show(value)} cannot send a text message",
            "it is `called`, or one of the account's numbers in quotes",
            "write `from: called`",
        )
    return check_phone_number(value)


def _sms_receiver(value: Any) -> Any:
    return value if isinstance(value, (dict, From)) else check_phone_number(value)


class Sms(Strict):
    """Send a text message during the call; one try, and none if the caller withholds the number."""

    text: Annotated[Text, Field(min_length=1, max_length=1600)] = Field(description="text of up to 1,600 characters")
    to: Annotated[
        Annotated[str, Tag("(literal)")] | Annotated[From, Tag("(from)")],
        Discriminator(lambda value: "(from)" if isinstance(value, (dict, From)) else "(literal)"),
        BeforeValidator(_sms_receiver),
    ] = Field(
        default_factory=lambda: From(name="call.customer"),
        description="receiver: `{from: call.customer}`, another value at call time, or a number",
    )
    sender: Annotated[
        str,
        BeforeValidator(_sms_sender),
        WithJsonSchema({"type": "string", "pattern": f"^(called|{E164})$"}),
    ] = Field("called", alias="from", description='`called` (the number that was called), or a number "+1..."')

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, raw: Any) -> Any:
        return _content(raw, "sms", "text")


class Send(Strict):
    """Send the caller to a destination: a fixed one (`to`), or one chosen `by` a value at call time.

    `map` gives the destination of each value; without `map` the value itself is the name of a destination. For other
    values `default` is used; without a default the next step runs.
    """

    to: str | None = Field(None, description="name of a destination")
    by: From | None = Field(None, description="{from: NAME}: the value that chooses")
    map: dict[str, str] | None = Field(None, description="from value to destination")
    default: str | None = Field(None, description="destination when the value chooses none")

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, raw: Any) -> Any:
        inner = raw.get("send") if isinstance(raw, dict) else raw
        if isinstance(inner, dict):
            if "by" not in inner:
                raise finding(
                    "`send` has no `by`",
                    "a mapping needs `by`, the value that chooses the destination",
                    "write `send: NAME`, or `send: {by: {from: ...}, map: {...}, default: NAME}`",
                )
            if "to" in inner:
                raise finding(
                    "`send` has both `to` and `by`",
                    "`to` is one destination; `by` chooses among several",
                    "write `send: NAME`, or remove `to`",
                )
            by = inner["by"]
            if isinstance(by, dict) and set(by) & {"map", "default"}:
                raise finding(
                    "`map` or `default` is inside `by`",
                    "they choose the destination, so they go beside `by`",
                    "move them beside `by`",
                )
        return _content(raw, "send", "to")

    @property
    def targets(self) -> tuple[str, ...] | None:
        """The destinations that are possible; None if the value itself is a name, so that all are."""
        if self.to is not None:
            return (self.to,)
        if self.map is None:
            return None
        named = [*self.map.values(), *([self.default] if self.default else [])]
        return tuple(dict.fromkeys(named))


class Hangup(Strict):
    """End the call."""

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("hangup") not in (None, True, {}):
            raise finding("`hangup` takes no value", "it only ends the call", "write `- hangup`")
        return {}


KINDS: dict[str, type[Strict]] = {
    "say": Say,
    "play": Play,
    "pause": Pause,
    "notify": Notify,
    "sms": Sms,
    "send": Send,
    "hangup": Hangup,
}


def _content(raw: Any, kind: str, short: str) -> Any:
    """Return the fields of a step written as `{kind: fields}` or, in short, `{kind: value}`."""
    inner = raw[kind] if isinstance(raw, dict) and set(raw) == {kind} else raw
    return inner if isinstance(inner, dict) else {short: inner}


def check_step(raw: Any) -> Any:
    """Return `raw` if it is exactly one known step; raise a finding otherwise."""
    if isinstance(raw, Strict):
        return raw
    known = ", ".join(KINDS)
    if isinstance(raw, str):
        if raw == "hangup":
            return {"hangup": None}
        if raw in KINDS:
            raise finding(f"the step `{raw}` has no value", f"`{raw}` needs a value", f"write `- {raw}: ...`")
    if raw is None or raw == {}:
        raise finding("a step is empty", f"steps are {known}", "remove the dash")
    if not isinstance(raw, dict):
        raise finding(
            f"{show(raw) if isinstance(raw, str) else kind_of(raw)} is not a step",
            f"steps are {known}",
            "write `- say: ...`, `- send: NAME` or `- hangup`",
        )
    unknown = [key for key in raw if key not in KINDS]
    if unknown:
        near = get_close_matches(str(unknown[0]), list(KINDS), n=1)
        if len(raw) == 1 or not set(raw) & set(KINDS):
            raise finding(
                f"there is no step `{unknown[0]}`",
                f"steps are {known}",
                f"did you mean `{near[0]}`?" if near else "use one of these",
            )
        first = next(key for key in raw if key in KINDS)
        raise finding(
            f"`{unknown[0]}` cannot be used beside `{first}`",
            "a step has one key, and its options go inside that key",
            f"write `- {first}: {{..., {unknown[0]}: ...}}`",
        )
    if len(raw) != 1:
        several = ", ".join(f"`{key}`" for key in raw)
        raise finding(
            f"one step has several keys: {several}", "each key is a separate step", "start each with its own dash"
        )
    return raw


def step_kind(raw: Any) -> str | None:
    """Return the kind of a step (`say`), whether it is still raw or already read."""
    if isinstance(raw, dict):
        return next(iter(raw), None)
    return type(raw).__name__.lower()


Step = Annotated[
    Annotated[Say, Tag("say")]
    | Annotated[Play, Tag("play")]
    | Annotated[Pause, Tag("pause")]
    | Annotated[Notify, Tag("notify")]
    | Annotated[Sms, Tag("sms")]
    | Annotated[Send, Tag("send")]
    | Annotated[Hangup, Tag("hangup")],
    Discriminator(step_kind),
    BeforeValidator(check_step),
]


def _check_greeting_step(raw: Any) -> Any:
    kind = step_kind(check_step(raw))
    if kind not in {"say", "play", "pause"}:
        raise finding(
            f"`{kind}` is not allowed in `greeting`",
            "before the agent speaks, only say, play and pause are possible",
            "move it to an outcome",
        )
    return check_step(raw)


GreetingStep = Annotated[
    Annotated[Say, Tag("say")] | Annotated[Play, Tag("play")] | Annotated[Pause, Tag("pause")],
    Discriminator(step_kind),
    BeforeValidator(_check_greeting_step),
]
