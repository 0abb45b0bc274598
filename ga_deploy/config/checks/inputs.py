"""Checks of values at call time: what is known when, its size, and names that Twilio does not send."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ga_deploy.config.checks.outcomes import all_outcomes
from ga_deploy.config.explain import place_of
from ga_deploy.config.schema import Input, Outcomes
from ga_deploy.config.steps import Send, Sms
from ga_deploy.config.values import From
from ga_deploy.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Language
    from ga_deploy.config.values import Value
    from ga_deploy.yaml_tree.tree import Keys, Section

# Twilio: name and value of a stream's <Parameter> together have fewer than 500 characters.
LARGEST_PARAMETER = 500

# Documented fields of Twilio's voice webhook; others only get a warning if they look like a misspelt one of these.
# `customer` and `ours` are ours: From or To, depending on the direction of the call.
CALL_FIELDS = frozenset(
    """
    AccountSid ApiVersion CallSid CallStatus CallToken Called CalledCity CalledCountry CalledState CalledZip Caller
    CallerCity CallerCountry CallerName CallerState CallerZip Direction ForwardedFrom From FromCity FromCountry
    FromState FromZip ParentCallSid SipCallId SipDomain SipDomainSid SipSourceIp SipUsername StirPassportToken
    StirVerstat To ToCity ToCountry ToState ToZip AnsweredBy customer ours
    """.split()  # noqa: SIM905 - a list of forty lines says no more
)


def check_inputs(language: Language, root: Section) -> Iterator[Finding]:
    """Yield what is wrong with `input`, and a warning for each lookup of a field that Twilio does not document."""
    yield from _inputs(language, root)
    yield from _names_at_call_time(language, root)


def _inputs(language: Language, root: Section) -> Iterator[Finding]:
    inputs: dict[Keys, Input] = {("input",): language.input}
    inputs |= {("profiles", name, "input"): profile.input for name, profile in language.profiles.items()}
    for keys, section in inputs.items():
        values: dict[Keys, Value | None] = {
            (*keys, "customerId"): section.customerId,
            (*keys, "taskName"): section.taskName,
            **{(*keys, "variables", name): value for name, value in section.variables.items()},
        }
        for at, value in values.items():
            if isinstance(value, From) and value.root not in {"call", "query"}:
                yield Finding(
                    f"`{value.name}` has no value yet when a call starts",
                    f"{value.root}.… is known after the conversation, and `input` is sent before it",
                    "use call.… or query.…, or a literal",
                    place_of(root, (*at, "from")),
                )
            for text in _literals(value):
                if len(str(at[-1])) + len(text) >= LARGEST_PARAMETER:
                    yield Finding(
                        f"`{at[-1]}` is too long for a stream parameter",
                        f"Twilio takes fewer than {LARGEST_PARAMETER} characters for name and value together",
                        "shorten it",
                        place_of(root, at),
                    )


def _literals(value: Value | None) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif value is not None:
        yield from [value.default] if value.default else []
        yield from (value.map or {}).values()


def _names_at_call_time(language: Language, root: Section) -> Iterator[Finding]:
    for keys, value in _all_values(language):
        if not isinstance(value, From) or value.root != "call" or value.key in CALL_FIELDS:
            continue
        near = get_close_matches(value.key, sorted(CALL_FIELDS), n=1, cutoff=0.7)
        if near and not value.key.startswith("SipHeader_"):
            yield Finding(
                f"`{value.name}` is not a field that Twilio documents",
                "it would be empty in every call",
                f"did you mean call.{near[0]}?",
                place_of(root, (*keys, "from")),
                "warning",
            )


def _all_values(language: Language) -> Iterator[tuple[Keys, Value | None]]:
    inputs: dict[Keys, Input] = {("input",): language.input}
    inputs |= {("profiles", name, "input"): profile.input for name, profile in language.profiles.items()}
    for keys, section in inputs.items():
        yield (*keys, "customerId"), section.customerId
        yield (*keys, "taskName"), section.taskName
        yield from (((*keys, "variables", name), value) for name, value in section.variables.items())
    for name, destination in language.destinations.items():
        yield from ((("destinations", name, *below), value) for below, value in destination.lookups())
    for where, outcomes in all_outcomes(language):
        for name in Outcomes.model_fields:
            for index, step in enumerate(getattr(outcomes, name)):
                if isinstance(step, Send):
                    yield (*where, name, index, "send", "by"), step.by
                elif isinstance(step, Sms):
                    yield (*where, name, index, "sms", "to"), step.to
