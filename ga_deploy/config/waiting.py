"""The section `waiting`: what a caller hears while the result is late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from ga_deploy.config.addresses import HttpsUrl
from ga_deploy.config.scalars import Text, Whole
from ga_deploy.config.steps import Play, Say
from ga_deploy.config.values import Strict

if TYPE_CHECKING:
    from ga_deploy.config.voice import Voice

# Spoken when the config sets neither `say` nor `play`; by the language of the voice.
_ONE_MOMENT = {
    "de": "Einen Moment, bitte.",
    "en": "One moment, please.",
    "es": "Un momento, por favor.",
    "fr": "Un instant, s'il vous plaît.",
    "it": "Un momento, per favore.",
    "nl": "Een ogenblik, alstublieft.",
    "pt": "Um momento, por favor.",
}


class Waiting(Strict):
    """What the caller hears while the result is late; a short sentence if neither `say` nor `play` is set."""

    say: Annotated[
        Annotated[Text, Field(max_length=500)] | None,
        BeforeValidator(lambda value: None if value == "" else value),
    ] = Field(None, description="text, in the voice of `voice`")
    play: Annotated[
        HttpsUrl | None,
        BeforeValidator(lambda value: value or None),
        WithJsonSchema({"type": "string", "pattern": "^(https://.*)?$"}),
    ] = Field(None, description="https URL of a WAV or MP3 file; silence when it is empty and `say` is not set")
    max_seconds: Annotated[Whole, Field(ge=0, le=120)] = Field(15, description="longest time to wait for a result")


def steps_of_waiting(waiting: Waiting, voice: Voice) -> tuple[Say | Play, ...]:
    """Return the steps that a caller hears between two polls, in order; empty means silence.

    If the config sets neither `say` nor `play`, it is a short sentence in the language of `voice`, if one is known.
    If it sets one of them, even to nothing, only that is used.
    """
    if waiting.model_fields_set.isdisjoint({"say", "play"}):
        known = _ONE_MOMENT.get(voice.language.partition("-")[0].lower())
        return (Say(text=known),) if known else ()
    said = (Say(text=waiting.say),) if waiting.say else ()
    played = (Play(url=waiting.play),) if waiting.play else ()
    return (*said, *played)
