"""The voice and the language of spoken texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ga_deploy.config.scalars import pattern
from ga_deploy.config.values import Strict

VOICE_NAME = pattern(
    r"[A-Za-z0-9.\-]+",
    "is not a voice",
    "Twilio's voices have names like Polly.Joanna-Neural",
    "use a name from Twilio's list of voices",
    stand_in="Polly.Joanna-Neural",
)
LANGUAGE = pattern(
    r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*",
    "is not a language",
    "languages have names like en-US",
    "write a BCP 47 tag such as en-US",
    stand_in="en-US",
)


class Voice(Strict):
    """The voice of `say`; a step may have its own."""

    name: Annotated[str, *VOICE_NAME] = Field("Polly.Joanna-Neural", description="one of Twilio's voices")
    language: Annotated[str, *LANGUAGE] = Field("en-US", description="BCP 47 tag")
