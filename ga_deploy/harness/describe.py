"""What a config means for its callers, as the plain data that a simulation takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin

from ga_deploy.config.destinations.dialled import DialledDestination
from ga_deploy.config.destinations.enqueue import EnqueueDestination
from ga_deploy.config.destinations.voicemail import VoicemailDestination
from ga_deploy.config.steps import Hangup, Notify, Pause, Play, Say, Send, Sms
from ga_deploy.config.values import From
from ga_deploy.config.waiting import steps_of_waiting
from ga_deploy.render.fallback import render_fallback
from ga_deploy.render.settings import account_number
from ga_deploy.simulate.interpreter.targets import TIME_LIMIT
from ga_deploy.simulate.judge.expected import Deployment, Destination, Lookup, ProfileBehaviour, Step, Value

if TYPE_CHECKING:
    from ga_deploy.config.destinations import Destination as ConfigDestination
    from ga_deploy.config.schema import Config, Profile
    from ga_deploy.config.values import Strict


def describe(config: Config, engage_url: str, account_sid: str, *, domain_name: str = "") -> Deployment:
    """Return what the deployed functions are meant to do.

    `domain_name` is theirs where `engage_url` does not say it, since a flow answers there.
    """
    destinations = {name: _describe_destination(name, destination) for name, destination in config.destinations.items()}
    behaviours = {
        "": _describe_behaviour(config),
        **{name: _describe_behaviour(profile) for name, profile in config.profiles.items()},
    }
    if config.fallback:
        steps = tuple(_step(step) for step in config.fallback)
        behaviours = {
            name: replace(one, outcomes={**one.outcomes, "fallback": steps}) for name, one in behaviours.items()
        }
    numbers = {entry.number: entry.profile or "" for entry in config.phone_numbers if entry.to == "engage"}
    fallback = next((entry for entry in config.phone_numbers if entry.fallback_url), None)
    ours = "" if fallback else find_fallback_url(config, f"https://{domain_name}" if domain_name else engage_url)
    return Deployment(
        engage_url=engage_url,
        account_sid=account_sid,
        behaviours=behaviours,
        destinations=destinations,
        numbers=numbers,
        fallback_url=str(fallback.fallback_url) if fallback else ours,
        fallback_method=fallback.fallback_method if fallback else "GET" if ours else "POST",
        static_fallback=bool(ours),
        account_number=account_number(config) or "",
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
        **_describe_terms(destination),
    )


def find_fallback_url(config: Config, site: str) -> str:
    """Return where on `site` the static fallback of the config lies; empty if it has none."""
    folder = config.functions.engage.path.rpartition("/")[0] + "/"
    return "".join(urljoin(site, asset.path) for asset in render_fallback(config, folder))


def _describe_terms(destination: ConfigDestination) -> dict[str, Any]:
    """Return under which terms somebody is rung or waits, as fields of a Destination."""
    match destination:
        case DialledDestination():
            terms = {
                "timeout": str(destination.timeout),
                "answerOnBridge": "true" if destination.answer_on_bridge else "false",
                "timeLimit": str(destination.time_limit or TIME_LIMIT),
                "record": destination.record,
            }
            return {"terms": terms, "caller_id": destination.caller_id}
        case EnqueueDestination():
            queue = destination.enqueue
            numbers = {"priority": queue.priority, "timeout": queue.timeout}
            terms = {name: "" if value is None else str(value) for name, value in numbers.items()}
            attributes = _attribute(queue.attributes) if queue.workflow_sid else None
            return {"terms": {**terms, "waitUrl": queue.wait_url or ""}, "attributes": attributes}
        case VoicemailDestination():
            box = destination.voicemail
            return {
                "notifies": str(box.notify.url) if box.notify else "",
                "terms": {"maxLength": str(box.max_seconds)},
            }
    return {}


def _attribute(value: object) -> object:
    """Return a task attribute as JSON, with what is looked up as a Lookup."""
    if isinstance(value, From):
        return Lookup(value.name, value.default, value.map)
    if isinstance(value, Mapping):
        return {str(name): _attribute(one) for name, one in value.items()}
    return [_attribute(one) for one in value] if isinstance(value, (list, tuple)) else value


def _describe_behaviour(profile: Config | Profile) -> ProfileBehaviour:
    outcomes = type(profile.outcomes).model_fields
    named = {"customerId": profile.input.customerId, "taskName": profile.input.taskName, **profile.input.variables}
    return ProfileBehaviour(
        greeting=(*(_step(step) for step in profile.greeting), *_announcement(profile)),
        outcomes={name: tuple(_step(step) for step in getattr(profile.outcomes, name)) for name in outcomes},
        stream_parameters={name: _value(value) for name, value in named.items() if value is not None},
        reconnects=profile.asapp.reconnect,
        waiting=tuple(_step(step) for step in steps_of_waiting(profile.waiting, profile.voice)),
        waiting_seconds=float(profile.waiting.max_seconds),
        recording=_recording(profile),
    )


def _recording(profile: Config | Profile) -> dict[str, str] | None:
    if profile.recording is None:
        return None
    told = str(profile.recording.status_callback or "")
    return {"channels": profile.recording.channels, "recordingStatusCallback": told}


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
            receiver = _value(step.to)
            looked_up = receiver if isinstance(receiver, Lookup) else None
            return Step("sms", text=str(step.text), to=None if looked_up else str(receiver), by=looked_up)
        case Send():
            by = cast("Lookup", _value(step.by)) if step.by else None
            return Step("send", to=step.to, by=by, map=step.map, default=step.default)
        case Hangup():
            return Step("hangup")
    raise TypeError(type(step).__name__)
