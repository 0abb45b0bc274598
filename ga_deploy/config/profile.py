"""Numbers that are handled in another way than the rest."""

from __future__ import annotations

from pydantic import Field

from ga_deploy.config.asapp import Asapp
from ga_deploy.config.hours import Hours
from ga_deploy.config.input import Input
from ga_deploy.config.outcomes import Outcomes
from ga_deploy.config.recording import Recording
from ga_deploy.config.steps import GreetingStep
from ga_deploy.config.values import Strict
from ga_deploy.config.voice import Voice
from ga_deploy.config.waiting import Waiting


class Profile(Strict):
    """Settings for numbers that need another task, language or handling.

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
