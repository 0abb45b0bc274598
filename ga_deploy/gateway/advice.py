"""What Twilio's messages and codes mean for somebody who deploys, and what to do about them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """A translation: a pattern of Twilio's message, and our words; `{0}` and so on stand for the pattern's groups."""

    message: re.Pattern[str]
    why: str
    fix: str


def _translate(message: str, why: str, fix: str) -> Advice:
    return Advice(re.compile(message, re.IGNORECASE), why, fix)


# Code 20001 says only "invalid parameter"; the meaning is in the message. Messages as reported in public issues of
# twilio-labs/serverless-toolkit (#538, #564, #325), twilio-cli (#215, #252), dev-phone (#178) and of the Terraform
# provider (#28); matched loosely, since nobody promises their wording.
MESSAGES = (
    _translate(
        r"no matching version found for (@?[\w./-]+)@([^\s,;]+)",
        "Twilio has no version {1} of the dependency `{0}`",
        "set `service.dependencies.{0}` to a published version, then run `ga-deploy up`",
    ),
    _translate(
        r"dependenc(?:y|ies) could not be (?:validated|installed|resolved)",
        "Twilio cannot install the dependencies; it takes packages of the public npm registry only",
        "check `service.dependencies` (no file:, git or private packages), then run `ga-deploy up`",
    ),
    _translate(
        r"unsupported runtime:? *`?([\w.-]*)",
        "Twilio no longer takes (or does not yet take) the runtime {0}",
        "set `service.runtime: node22`, or remove it to keep the live one",
    ),
    _translate(
        r"at least one function version or asset version",
        "a build needs at least one function or asset",
        "run `ga-deploy plan` to see what the build would hold",
    ),
    _translate(
        r"services are limited to[^\d]*(\d+)",
        "the account has reached its limit of {0} Serverless services",
        "delete a service you no longer need, or set `service.name` to an existing one, which is then adopted",
    ),
    _translate(
        r"part of an active deployment",
        "an environment still runs that build",
        "deploy another build there first",
    ),
    _translate(
        r"already has requested deployment|already (?:been )?deployed",
        "the environment runs that build already",
        "nothing needs to be done",
    ),
    _translate(
        r"(?:domain ?suffix|unique ?name).*(?:already|taken|exists|in use|unique)",
        "the name or the domain suffix is taken by another resource of the service",
        "choose another name or `domain_suffix`, or name the existing environment in the config",
    ),
)

# Twilio docs, error 81022: a flow's definition is invalid.
INVALID_DEFINITION = 81022

_CHECK_CREDENTIALS = (
    "check TWILIO_AUTH_TOKEN (or TWILIO_API_KEY and TWILIO_API_KEY_SECRET: an API key `SK…` goes with its own secret, "
    "never with the auth token)"
)

# Codes as documented on twilio.com/docs/api/errors (54xxx: Sync), with what they mean for somebody who deploys.
CODES: dict[int, tuple[str, str]] = {
    20003: ("the credentials are wrong, revoked, or of another region", _CHECK_CREDENTIALS),
    20004: (
        "Twilio does not offer this operation there",
        "check TWILIO_REGION and TWILIO_EDGE, then report this",
    ),
    20008: (
        "these are test credentials, which only work for a few resources",
        "use the live account SID and auth token from the Console",
    ),
    20403: (
        "the credentials lack a permission for this",
        "use the auth token or a standard API key, or extend the restricted key's permissions",
    ),
    20404: (
        "it does not exist in this account",
        "run `ga-deploy status`; it may have been deleted meanwhile",
    ),
    20429: (
        "too many requests of this account are under way at once",
        "run the command again in a minute, or when other jobs of the account have finished",
    ),
    20500: ("Twilio had an internal error", "run the command again; status.twilio.com tells of incidents"),
    20503: (
        "Twilio is temporarily unavailable",
        "run the command again; status.twilio.com tells of incidents",
    ),
    54006: ("a Sync object holds at most 16 KiB", "report this: ga-deploy should have split the record"),
    54103: ("somebody else changed it meanwhile", "run the command again"),
    54205: ("somebody else changed it meanwhile", "run the command again"),
    54301: ("the name is taken", "run the command again"),
    54208: ("the key is taken", "run the command again"),
    INVALID_DEFINITION: (
        "Studio does not take the flow's definition",
        "run `ga-deploy flow show --json` and look at these widgets; report it if ga-deploy made them",
    ),
}
