"""What a config means for its callers, as the plain data that a simulation takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ga_deploy.config.steps import Hangup, Notify, Pause, Play, Say, Send, Sms
from ga_deploy.config.values import From
from ga_deploy.config.waiting import steps_of_waiting
from ga_deploy.simulate.judge.expected import Deployment, Destination, Handling, Lookup, Step, Value

if TYPE_CHECKING:
    from ga_deploy.config.destinations import Destination as ConfigDestination
    from ga_deploy.config.schema import Config, Profile
    from ga_deploy.config.values import Strict


def describe(config: Config, engage_url: str, account_sid: str) -> Deployment:
    """Return what the deployed functions are meant to do."""
    destinations = {name: _describe_destination(name, destination) for name, destination in config.destinations.items()}
    handlings = {"": _handling(config), **{name: _handling(profile) for name, profile in config.profiles.items()}}
    numbers = {entry.number: entry.profile or "" for entry in config.phone_numbers if entry.to == "engage"}
    fallback = next((entry for entry in config.phone_numbers if entry.fallback_url), None)
    return Deployment(
        engage_url=engage_url,
        account_sid=account_sid,
        handlings=handlings,
        destinations=destinations,
        numbers=numbers,
        fallback_url=str(fallback.fallback_url) if fallback else "",
        fallback_method=fallback.fallback_method if fallback else "POST",
        hooks_add_input=config.hooks.before_engage is not None,
        hooks_choose_steps=config.hooks.after_call is not None,
    )


def _describe_destination(name: str, destination: ConfigDestination) -> Destination:
    return Destination(
        name,
        destination.kind,
        destination.address,
        limited=destination.hours is not None,
        says=" ".join(text for _, text in destination.spoken()),
        needs_sip=destination.needs_sip,
    )


def _handling(profile: Config | Profile) -> Handling:
    outcomes = type(profile.outcomes).model_fields
    named = {"customerId": profile.input.customerId, "taskName": profile.input.taskName, **profile.input.variables}
    return Handling(
        greeting=(*(_step(step) for step in profile.greeting), *_announcement(profile)),
        outcomes={name: tuple(_step(step) for step in getattr(profile.outcomes, name)) for name in outcomes},
        told={name: _value(value) for name, value in named.items() if value is not None},
        reconnects=profile.asapp.reconnect,
        waiting=tuple(_step(step) for step in steps_of_waiting(profile.waiting, profile.voice)),
        waiting_seconds=float(profile.waiting.max_seconds),
    )


def _announcement(profile: Config | Profile) -> tuple[Step, ...]:
    """Return what is said before the call is recorded; callers hear it as the end of the greeting."""
    said = profile.recording.announce if profile.recording else ""
    return (Step("say", text=str(said)),) if said.strip() else ()


def _value(value: str | From) -> Value:
    return Lookup(value.name, value.default, value.map) if isinstance(value, From) else str(value)


def _step(step: Strict) -> Step:
    match step:
        case Say():
            return Step("say", text=str(step.text))
        case Play():
            return Step("play", text=str(step.url))
        case Pause():
            return Step("pause")
        case Notify():
            return Step("notify", text=str(step.url))
        case Sms():
            return Step("sms", text=str(step.text))
        case Send():
            by = cast("Lookup", _value(step.by)) if step.by else None
            return Step("send", to=step.to, by=by, map=step.map, default=step.default)
        case Hangup():
            return Step("hangup")
    raise TypeError(type(step).__name__)
