"""The section `recording`: from the announcement to the end of the call."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from ga_deploy.config.addresses import HttpsUrl
from ga_deploy.config.scalars import Choice, Text
from ga_deploy.config.values import Strict

ANNOUNCEMENT = "This call may be recorded."


class Recording(Strict):
    """Record calls that go to the agent. Twilio keeps the recording; it starts after the announcement."""

    announce: Annotated[Text, Field(max_length=1000)] = Field(
        ANNOUNCEMENT, description='spoken before the recording starts, in the voice of `voice`; "" records without it'
    )
    channels: Annotated[typing.Literal["mono", "dual"], Choice] = Field(
        "dual", description="mono, or dual: the caller on one channel, everybody else on the other"
    )
    status_callback: HttpsUrl | None = Field(
        None, description="https URL that Twilio calls when the recording is ready"
    )
