"""A phone number of the account and what answers its calls."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from ga_deploy.config.addresses import HttpsUrl, PhoneNumber
from ga_deploy.config.scalars import Choice
from ga_deploy.config.values import Strict


class PhoneNumberBinding(Strict):
    """A phone number and what answers it."""

    number: PhoneNumber = Field(description="E.164, in quotes")
    to: Annotated[typing.Literal["engage", "flow"], Choice] = Field("engage", description="engage or flow")
    profile: str | None = Field(None, description="one of `profiles`")
    fallback_url: HttpsUrl | None = Field(
        None,
        description="used when our function fails; default: the URL that the number had before, if it was a real one",
    )
    fallback_method: Annotated[typing.Literal["GET", "POST"], Choice] = Field("POST", description="GET or POST")
