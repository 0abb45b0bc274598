"""Checks of outgoing calls: caller ids, endless loops, double recordings, text messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.checks.outcomes import all_outcomes
from ga_deploy.config.destinations import NumberDestination
from ga_deploy.config.destinations.dialled import DialledDestination
from ga_deploy.config.explain import place_of
from ga_deploy.config.schema import Outcomes
from ga_deploy.config.steps import Sms
from ga_deploy.errors import Finding
from ga_deploy.yaml_tree.tree import Items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.recording import Recording
    from ga_deploy.config.schema import Language
    from ga_deploy.yaml_tree.tree import Keys, Section


def check_calling(language: Language, root: Section) -> Iterator[Finding]:
    """Yield errors and warnings about calls, recordings and messages to others."""
    yield from _caller_id(language, root)
    yield from _loops(language, root)
    yield from _recordings(language, root)
    yield from _messages(language, root)


def _caller_id(language: Language, root: Section) -> Iterator[Finding]:
    # `phone_numbers: []`, as `init` writes it, means that numbers are bound from the command line.
    listed = root.get("phone_numbers")
    if language.caller_id or language.phone_numbers or isinstance(listed, Items):
        return
    for name, destination in language.destinations.items():
        if isinstance(destination, DialledDestination) and not destination.caller_id.startswith("+"):
            yield Finding(
                "callers without a number may not reach anybody",
                "Twilio refuses to dial without a caller id (error 13214): a call from a client or a SIP domain has no "
                "number to show, and the config has neither `caller_id` nor `phone_numbers`",
                'set `caller_id: "+1..."` to a number of your account',
                place_of(root, ("destinations", name)),
                "warning",
            )
            return


def _loops(language: Language, root: Section) -> Iterator[Finding]:
    bound = {entry.number for entry in language.phone_numbers}
    for name, destination in language.destinations.items():
        if isinstance(destination, NumberDestination) and destination.number in bound:
            yield Finding(
                f"the destination `{name}` leads back to the agent",
                f"{destination.number} is one of `phone_numbers`, so the call would come back again and again",
                "use another number, or remove this one from `phone_numbers`",
                place_of(root, ("destinations", name, "number")),
            )


def _recordings(language: Language, root: Section) -> Iterator[Finding]:
    scopes: dict[Keys, Recording | None] = {("recording",): language.recording}
    scopes |= {("profiles", name, "recording"): profile.recording for name, profile in language.profiles.items()}
    for keys, recording in scopes.items():
        if recording is not None and not recording.announce.strip():
            yield Finding(
                "calls are recorded without an announcement",
                "`announce` is empty, and many countries and states require callers to know",
                "remove `announce` to get the default sentence, or say it in `greeting`",
                place_of(root, (*keys, "announce")),
                "warning",
            )
    if not any(recording is not None for recording in scopes.values()):
        return
    for name, destination in language.destinations.items():
        if isinstance(destination, DialledDestination) and destination.is_recorded:
            yield Finding(
                f"calls to `{name}` are recorded twice",
                "`recording` runs until the call ends and `record` makes a second recording; Twilio charges for both",
                "remove one of the two",
                place_of(root, ("destinations", name, "record")),
                "warning",
            )


def _messages(language: Language, root: Section) -> Iterator[Finding]:
    if language.service.include_credentials:
        return
    for keys, outcomes in all_outcomes(language):
        for name in Outcomes.model_fields:
            for index, step in enumerate(getattr(outcomes, name)):
                if isinstance(step, Sms):
                    yield Finding(
                        "`sms` needs the account's credentials",
                        "the functions get none, because `service.include_credentials` is false",
                        "set `service.include_credentials: true`, or remove the step `sms`",
                        place_of(root, (*keys, name, index)),
                    )
