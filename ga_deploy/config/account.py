"""The Twilio account and the Serverless service."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from ga_deploy.config import dependencies as npm
from ga_deploy.config.addresses import AccountSid, ApiKeySid
from ga_deploy.config.scalars import SecretText, Truth, pattern
from ga_deploy.config.values import Strict


class Twilio(Strict):
    """The account and its credentials: the auth token, or an API key with its secret."""

    account_sid: AccountSid = Field(
        description="the account of this config; credentials of another account are refused"
    )
    auth_token: SecretText | None = Field(None, description="needed to sign smoke tests")
    api_key: ApiKeySid | None = Field(None, description="SK..., instead of the token")
    api_key_secret: SecretText | None = Field(None, description="the secret of `api_key`")


_UNIQUE_NAME = pattern(
    r"[A-Za-z0-9-]{1,50}",
    "cannot be the unique name of a Twilio service",
    "it has 1 to 50 letters, digits and dashes",
    "choose another name; a service cannot be renamed",
)


class Service(Strict):
    """The Serverless service. An existing service with this name is used, never replaced."""

    name: Annotated[str, *_UNIQUE_NAME] = Field("GenerativeAgentService", description="Twilio unique name")
    runtime: Annotated[str, BeforeValidator(npm.check_runtime)] | None = Field(
        None,
        description="e.g. node22; empty keeps the live one (new services get node22, which Twilio ends in April 2027)",
    )
    dependencies: Annotated[dict[str, str], BeforeValidator(npm.check_dependencies)] = Field(
        default_factory=lambda: {"axios": npm.RECOMMENDED_AXIOS},
        description="npm packages at exact versions; bad versions are refused; other deployers' dependencies stay",
    )
    include_credentials: Truth = Field(True, description="give the functions the account's credentials")
    ui_editable: Truth = Field(True, description="let the Console edit the service")
