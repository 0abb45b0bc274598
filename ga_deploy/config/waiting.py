"""What a caller hears while a late result is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from ga_deploy.config.addresses import HttpsUrl
from ga_deploy.config.scalars import Text, Whole
from ga_deploy.config.steps import Play, Say
from ga_deploy.config.values import Strict

if TYPE_CHECKING:
    from ga_deploy.config.voice import Voice

# Said when the config leaves it open, by the language of the voice that says it.
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


def steps_of_waiting(waiting: Waiting, voice: Voice) -> tuple[Say | Play, ...]:
    """Return what is heard between two looks at a result, in order; nothing at all is silence.

    A config that sets neither `say` nor `play` leaves it open: a short sentence is said, if one is known in the
    language of `voice`. One that sets either, even to nothing, is taken at its word.
    """
    if waiting.model_fields_set.isdisjoint({"say", "play"}):
        known = _ONE_MOMENT.get(voice.language.partition("-")[0].lower())
        return (Say(text=known),) if known else ()
    said = (Say(text=waiting.say),) if waiting.say else ()
    played = (Play(url=waiting.play),) if waiting.play else ()
    return (*said, *played)
