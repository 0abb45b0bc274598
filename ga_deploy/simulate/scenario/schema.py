"""The language of scenario files: which keys there are, and what each may hold.

docs/simulate.md describes it; `scenario` says what the values mean.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    model_validator,
)

from ga_deploy.simulate.interpreter.plan import Phase
from ga_deploy.simulate.interpreter.record import DialResult, Ending
from ga_deploy.simulate.judge.verdict import Expectation
from ga_deploy.simulate.scenario.scenario import CallerScript, Scenario
from ga_deploy.simulate.scenario.values import (
    LABEL,
    Flag,
    Table,
    Text,
    Texts,
    choice,
    choices,
    describe,
    is_empty,
    make_error,
    number,
    raise_all,
    suggest,
    to_plain,
    whole_number,
)
from ga_deploy.simulate.voices import list_voices

PHASES: tuple[str, ...] = get_args(Phase)
RESULTS: tuple[str, ...] = get_args(DialResult)
ENDINGS: tuple[str, ...] = get_args(Ending)
OUTCOMES = (
    *("agent", "system", "completed", "dropped", "unknown", "failed"),
    *("closed", "machine", "bypass", "exhausted", "fallback"),
)
FEATURES = (
    *("destinations", "profiles", "hours", "greeting", "reconnect", "direct"),
    *("recording", "fallback", "account-number"),
)
FOR_EACH = ("destination", "voicemail", "text", "profile", "voice")
FUNCTIONS = ("engage", "call_complete", "stream_status")
# Fields of Twilio's requests that the call itself sets, and where a scenario says what they are to be.
_OWN_FIELDS = {"From": "call.from", "Caller": "call.from", "To": "call.to", "Called": "call.to"}
_FIXED_FIELDS = ("AccountSid", "ApiVersion", "CallSid", "CallStatus", "Direction")
_KEYS = re.compile("[0-9*#A-Dw]*")
_KEYS_WHY = "a telephone has 0 to 9, *, # and A to D; `w` waits half a second"


class Section(BaseModel):
    """A section of a scenario: every key is known, and a key without a value counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: one for key, one in value.items() if not is_empty(one)}
        return value


def _check_parameters(parameters: dict[str, str]) -> dict[str, str]:
    errors = []
    for name in parameters:
        if name in _OWN_FIELDS or name in _FIXED_FIELDS:
            fix = f"use `{_OWN_FIELDS[name]}`" if name in _OWN_FIELDS else "remove it"
            what = f"`call.parameters.{name}` cannot be chosen"
            errors.append(((), make_error(what, "the call itself sets it", fix)))
    raise_all(parameters, errors)
    return parameters


def _check_variables(variables: dict[str, str]) -> dict[str, str]:
    why = "it says which ASAPP is asked: the mock, or the config's with `--asapp live`"
    errors = [
        ((), make_error(f"`deployment.variables.{name}` cannot be chosen", why, "see `asapp.faults`"))
        for name in variables
        if re.match(r"(ASAPP_API|GA_ASAPP)_", name)
    ]
    raise_all(variables, errors)
    return variables


class Call(Section):
    """Who calls whom, and what Twilio's requests carry."""

    from_number: Text = Field(Scenario.from_number, alias="from")
    to_number: Text = Field("", alias="to")
    profile: Text = ""
    sip: Flag = False
    client: Flag = False
    placed: Flag = False
    asks_after_refusal: Flag = True
    parameters: Annotated[Table, AfterValidator(_check_parameters)] = Field(default_factory=dict)
    query: Table = Field(default_factory=dict)
    repeat_webhooks: Flag = False


def _check_script(value: Any) -> Any:
    plain = to_plain(value)
    if not isinstance(plain, str | dict):
        fix = "for example `script: agent`"
        raise make_error(f"{LABEL} has to be a name or a mapping", describe(value), fix)
    return plain or "agent"


def _check_faults(value: Any) -> Any:
    plain = to_plain(value)
    if not isinstance(plain, list) or not all(isinstance(fault, dict) for fault in plain):
        fix = "- {endpoint: stream-url, status: 401}"
        raise make_error(f"{LABEL} has to be a list of faults", describe(value), fix)
    return tuple(plain)


class Asapp(Section):
    """What ASAPP does, in the language of its mock."""

    script: Annotated[Any, BeforeValidator(_check_script)] = "agent"
    faults: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_check_faults)] = ()


def _check_voice(name: str, context: ValidationInfo) -> str:
    """Return a shipped voice's name, or the path of a WAV, which is relative to the scenario's file."""
    voices = [voice.name for voice in list_voices()]
    if not name or name in voices:
        return name
    file = (context.context or Path()) / Path(name).expanduser()
    if not os.path.isfile(file):  # noqa: PTH113 - a name that no file can have is no error here
        fix = suggest(name, voices, "name one of: " + ", ".join(voices))
        raise make_error(f"there is no caller's voice `{name}`", "it is neither a shipped voice nor a WAV", fix)
    return str(file)


def _check_keys(keys: str) -> str:
    if not _KEYS.fullmatch(keys):
        raise make_error(f"{LABEL} cannot be `{keys}`", _KEYS_WHY, 'for example "12#"')
    return keys


def _check_menu_keys(texts: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [text for text in texts if not _KEYS.fullmatch(text)]
    if wrong:
        raise make_error(f"{LABEL} cannot hold `{wrong[0]}`", _KEYS_WHY, 'for example ["1", "2#"]')
    return texts


class HangUpAt(Section):
    """When the caller hangs up."""

    during: Annotated[str, choice(*PHASES)] = "stream"
    after: Annotated[float, number(0, 3600, 0)] = 0.0


class Caller(Section):
    """What the caller does."""

    hang_up: HangUpAt | None = None
    ends_message: Annotated[str, choice("hang-up", "key", "nothing")] = "hang-up"
    says: Annotated[Text, AfterValidator(_check_voice)] = ""
    keys: Annotated[Text, AfterValidator(_check_keys)] = ""
    menu_keys: Annotated[Texts, AfterValidator(_check_menu_keys)] = ()
    barge_in_after: Annotated[float | None, number(0, 600, 0)] = None
    noise_dbfs: Annotated[float | None, number(-90, 0, -90)] = None
    loss: Annotated[float, number(0, 0.9, 0)] = CallerScript.loss
    jitter_ms: Annotated[float, number(0, 1000, 0)] = CallerScript.jitter_ms
    seed: Annotated[int, whole_number(0, 2**31, 1)] = CallerScript.seed


class Deployment(Section):
    """How the deployment differs from the config in this scenario."""

    broken: Annotated[tuple[str, ...], choices(*FUNCTIONS)] = ()
    how: Annotated[str, choice("throws", "hangs", "text", "empty", "json")] = "throws"
    all_closed: Flag = False
    all_open: Flag = False
    agent_closed: Flag = False
    send_to: Text = ""
    steps_of: Annotated[str, choice(*OUTCOMES)] = ""
    variables: Annotated[Table, AfterValidator(_check_variables)] = Field(default_factory=dict)


class Fallback(Section):
    """What the number's fallback URL answers."""

    status: Annotated[int, whole_number(100, 599, 200)] = 200
    content_type: Text = "text/xml"
    body: Text = "<Response/>"


def _check_codes(codes: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch("[0-9]{5}", code) for code in codes):
        raise make_error(f"{LABEL} holds Twilio's codes", "they have five digits", "for example [31920]")
    return codes


class Expect(Section):
    """What the caller must go through."""

    outcome: Annotated[str | None, choice(*OUTCOMES)] = None
    ending: Annotated[tuple[str, ...], choices(*ENDINGS)] = ()
    went: Texts | None = None
    reaches: Flag | None = None
    said: Texts = ()
    not_said: Texts = ()
    streams: Annotated[int | None, whole_number(0, 20, 1)] = None
    errors: Annotated[Texts, AfterValidator(_check_codes)] = ()
    stream_parameters: Table = Field(default_factory=dict)
    pressed: Text = ""
    barge_in_within: Annotated[float | None, number(0, 60, 0)] = None
    hears_caller: Annotated[float | None, number(0, 1, 0)] = None
    waits: Flag = False
    max_dead_air: Annotated[float, number(0, 600, Expectation.max_dead_air)] = Expectation.max_dead_air
    max_first_twiml: Annotated[float, number(0, 60, Expectation.max_first_twiml)] = Expectation.max_first_twiml
    max_first_audio: Annotated[float, number(0, 60, Expectation.max_first_audio)] = Expectation.max_first_audio


_RESULTS: TypeAdapter[tuple[str, ...]] = TypeAdapter(Annotated[tuple[str, ...], choices(*RESULTS)])
_TABLE: TypeAdapter[dict[str, str]] = TypeAdapter(Table)


def _check_destinations(value: Any) -> Any:
    """Return one result for each attempt, or a result for each destination by its name (or `default`)."""
    if not isinstance(value, dict):
        return _RESULTS.validate_python(value)
    results = _TABLE.validate_python(value)
    errors = [
        ((), make_error(f"`destinations.{name}` cannot be `{result}`", "one of: " + ", ".join(RESULTS), "correct it"))
        for name, result in results.items()
        if result not in RESULTS
    ]
    raise_all(results, errors)
    return results


class ScenarioFile(Section):
    """A whole scenario file."""

    name: Text = ""
    title: Text = ""
    tags: Texts = ()
    for_each: Annotated[str, choice(*FOR_EACH)] = ""
    only_if: Annotated[tuple[str, ...], choices(*FEATURES)] = ()
    call: Call = Field(default_factory=Call)
    asapp: Asapp = Field(default_factory=Asapp)
    caller: Caller = Field(default_factory=Caller)
    destinations: Annotated[dict[str, str] | tuple[str, ...], BeforeValidator(_check_destinations)] = ()
    deployment: Deployment = Field(default_factory=Deployment)
    fallback: Fallback | None = None
    pace: Annotated[str, choice("fast", "stream", "real")] = "fast"
    expect: Expect = Field(default_factory=Expect)
