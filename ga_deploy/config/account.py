"""The Twilio account and the Serverless service."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from ga_deploy.config import dependencies as npm
from ga_deploy.config.addresses import AccountSid, ApiKeySid
from ga_deploy.config.scalars import SecretText, Truth, pattern
from ga_deploy.config.values import Strict


class Twilio(Strict):
    """The account, and what proves that it is yours: the auth token, or an API key with its secret."""

    account_sid: AccountSid = Field(
        description="the account this config belongs to; another account's credentials are refused"
    )
    auth_token: SecretText | None = Field(None, description="only the token can sign smoke tests")
    api_key: ApiKeySid | None = Field(None, description="SK..., instead of the token")
    api_key_secret: SecretText | None = Field(None, description="the secret of `api_key`")


_UNIQUE_NAME = pattern(
    r"[A-Za-z0-9-]{1,50}",
    "cannot be the unique name of a Twilio service",
    "it has 1 to 50 letters, digits and dashes",
    "choose another name; a service keeps its name for ever",
)


class Service(Strict):
    """The Serverless service. An existing one of that name is adopted, never replaced."""

    name: Annotated[str, *_UNIQUE_NAME] = Field("GenerativeAgentService", description="Twilio unique name")
    runtime: Annotated[str, BeforeValidator(npm.check_runtime)] | None = Field(
        None, description="e.g. node22; empty keeps what is live, node22 for a new service (it ends in April 2027)"
    )
    dependencies: Annotated[dict[str, str], BeforeValidator(npm.check_dependencies)] = Field(
        default_factory=lambda: {"axios": npm.RECOMMENDED_AXIOS},
        description="npm packages at exact versions; known-bad versions are refused; others' dependencies stay",
    )
    include_credentials: Truth = Field(True, description="give the functions the account's credentials")
    ui_editable: Truth = Field(True, description="let the Console edit the service")
