"""The steps that a caller gets at the end of a conversation, by how it ended."""

from __future__ import annotations

from pydantic import Field

from ga_deploy.config.steps import Hangup, Say, Step
from ga_deploy.config.values import Strict

Steps = tuple[Step, ...]
_SORRY = "We are sorry, nobody is available right now. Please call again later."
_CLOSED = "We are closed. Please call again later."


class Outcomes(Strict):
    """The steps of each outcome, in order. If every step fails, the steps of `exhausted` run."""

    agent: Steps = Field((), description="the caller needs a person")
    system: Steps = Field((Hangup(),), description="GenerativeAgent transferred the call to a system")
    completed: Steps = Field((Hangup(),), description="the conversation is over")
    dropped: Steps = Field((), description="the stream broke and reconnecting did not help")
    unknown: Steps = Field((), description="no result arrived in time")
    failed: Steps = Field((), description="ASAPP could not be reached, or the stream did not open")
    closed: Steps = Field((Say(text=_CLOSED), Hangup()), description="the call came outside `hours`")
    machine: Steps = Field(
        (Hangup(),), description="a machine or a fax answered a call that the account placed (Twilio: AnsweredBy)"
    )
    bypass: Steps = Field((), description="calls that `ga-deploy traffic` keeps away from GenerativeAgent")
    exhausted: Steps = Field(
        (Say(text=_SORRY), Hangup()), description="every earlier step was closed, busy, not answered or failed"
    )
