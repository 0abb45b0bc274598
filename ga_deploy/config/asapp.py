"""ASAPP's API, as the functions call it."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from ga_deploy.config.addresses import ApiHost
from ga_deploy.config.scalars import ApiId, ApiSecret, Choice, Whole
from ga_deploy.config.values import Strict


class Asapp(Strict):
    """ASAPP's API, its credentials and time limits."""

    api_host: ApiHost = Field(description="https URL or bare host; http:// is refused")
    api_id: ApiId = Field(description="the API id that ASAPP gave you")
    api_secret: ApiSecret = Field(description="the API secret that ASAPP gave you; a ${NAME} reference")
    voice_agent_mode: Annotated[typing.Literal["cascade", "s2s"], Choice] | None = Field(
        None, description="cascade or s2s; left to ASAPP when empty"
    )
    timeout_ms: Annotated[Whole, Field(ge=100, le=9000)] = Field(
        2000, description="milliseconds for one request to ASAPP"
    )
    budget_ms: Annotated[Whole, Field(ge=100, le=9000)] = Field(
        6000, description="milliseconds for all tries together; a function may run 10 s, Twilio waits 15 s"
    )
    url_cache_seconds: Annotated[Whole, Field(ge=0, le=299)] = Field(
        240,
        description="seconds that a stream URL is used again (it is valid for 300 s); 0 turns caching off",
    )
    reconnect: Annotated[Whole, Field(ge=0, le=5)] = Field(
        1, description="how often a broken stream is opened again, in the same conversation"
    )
