"""The steps a caller goes through: say, play, pause, notify, sms, send, hangup."""

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
        description="what is spoken: 3,000 characters with Polly voices, 4,096 with basic ones, 5,000 with Google's"
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
    """Post the outcome to a web hook: JSON, signed with HMAC when there is a secret; best effort within one second."""

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
    """Send a text message beside the call; best effort, and not to callers who withhold their number."""

    text: Annotated[Text, Field(min_length=1, max_length=1600)] = Field(
        description="what is sent, up to 1,600 characters"
    )
    to: Annotated[
        Annotated[str, Tag("(literal)")] | Annotated[From, Tag("(from)")],
        Discriminator(lambda value: "(from)" if isinstance(value, (dict, From)) else "(literal)"),
        BeforeValidator(_sms_receiver),
    ] = Field(
        default_factory=lambda: From(name="call.customer"),
        description="who gets it: `{from: call.customer}`, another value at call time, or a number",
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

    With `map`, the value is looked up there; without it the value itself names a destination. What leads nowhere goes
    to `default`; without a default the next step is taken.
    """

    to: str | None = Field(None, description="name of a destination")
    by: From | None = Field(None, description="{from: NAME} of the value that chooses")
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
                    "it names neither a destination nor a value that chooses one",
                    "write `send: NAME`, or `send: {by: {from: ...}, map: {...}, default: NAME}`",
                )
            if "to" in inner:
                raise finding(
                    "`send` has both `to` and `by`",
                    "it is either one destination or a choice",
                    "write `send: NAME`, or remove `to`",
                )
            by = inner["by"]
            if isinstance(by, dict) and set(by) & {"map", "default"}:
                raise finding(
                    "`map` or `default` stands inside `by`",
                    "they choose the destination, not the value",
                    "move them beside `by`",
                )
        return _content(raw, "send", "to")

    @property
    def targets(self) -> tuple[str, ...] | None:
        """The destinations it may lead to; None when the value itself names one, so that it may be any."""
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
            raise finding("`hangup` takes no value", "it just ends the call", "write `- hangup`")
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
    """Return the fields of a step out of `{kind: fields}`, or out of its short form `{kind: value}`."""
    inner = raw[kind] if isinstance(raw, dict) and set(raw) == {kind} else raw
    return inner if isinstance(inner, dict) else {short: inner}


def check_step(raw: Any) -> Any:
    """Return what is exactly one known step as it is; raise a finding for anything else."""
    if isinstance(raw, Strict):
        return raw
    known = ", ".join(KINDS)
    if isinstance(raw, str):
        if raw == "hangup":
            return {"hangup": None}
        if raw in KINDS:
            raise finding(f"the step `{raw}` says nothing more", f"`{raw}` needs a value", f"write `- {raw}: ...`")
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
            f"`{unknown[0]}` stands beside `{first}`",
            "a step has one key; what belongs to it stands inside",
            f"write `- {first}: {{..., {unknown[0]}: ...}}`",
        )
    if len(raw) != 1:
        several = ", ".join(f"`{key}`" for key in raw)
        raise finding(
            f"one step has several keys: {several}", "each is a step of its own", "begin each with a dash of its own"
        )
    return raw


def step_kind(raw: Any) -> str | None:
    """Return the key of a step as it is written (`say`), or of one that is read already."""
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
            f"`{kind}` cannot stand in the greeting",
            "before the agent speaks a caller can only hear say, play and pause",
            "move it to an outcome",
        )
    return check_step(raw)


GreetingStep = Annotated[
    Annotated[Say, Tag("say")] | Annotated[Play, Tag("play")] | Annotated[Pause, Tag("pause")],
    Discriminator(step_kind),
    BeforeValidator(_check_greeting_step),
]
