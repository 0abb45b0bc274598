"""What no single value can tell: names that must exist, steps that must be reachable, sizes that add up.

Each check is a generator of findings about one merged config. What is wrong in itself has been left out before; the
names that are defined at all are taken from the tree, so that one mistake does not bring others with it.
Longer than most modules, being a list of checks.
"""

from __future__ import annotations

from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING

from ga_deploy.config.calling import check_calling
from ga_deploy.config.explain import dotted, locate, place_of
from ga_deploy.config.fallback_checks import check_fallback
from ga_deploy.config.open_hours import check_open_hours
from ga_deploy.config.outcomes import all_outcomes, check_outcomes, defined, no_such
from ga_deploy.config.queue import locate_lookups
from ga_deploy.config.references import names_in
from ga_deploy.config.scalars import show
from ga_deploy.config.schema import Asapp, Input, Language, Outcomes, Voice, Waiting
from ga_deploy.config.speech import check_speech
from ga_deploy.config.steps import Pause, Play, Say, Send, Sms
from ga_deploy.config.values import From
from ga_deploy.config.waiting import steps_of_waiting
from ga_deploy.errors import Finding
from ga_deploy.twilio_rules.speech import estimate_seconds
from ga_deploy.yaml_tree.tree import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ga_deploy.config.schema import Profile
    from ga_deploy.config.values import Value
    from ga_deploy.yaml_tree.tree import Keys, Section

# Twilio: name and value of a stream's <Parameter> together have fewer than 500 characters.
LARGEST_PARAMETER = 500

# Twilio's voice webhook, as far as it is documented; SipHeader_... and what Twilio adds tomorrow are allowed too.
# `customer` and `ours` are names of our own: From or To, by the direction of the call.
CALL_FIELDS = frozenset(
    """
    AccountSid ApiVersion CallSid CallStatus CallToken Called CalledCity CalledCountry CalledState CalledZip Caller
    CallerCity CallerCountry CallerName CallerState CallerZip Direction ForwardedFrom From FromCity FromCountry
    FromState FromZip ParentCallSid SipCallId SipDomain SipDomainSid SipSourceIp SipUsername StirPassportToken
    StirVerstat To ToCity ToCountry ToState ToZip AnsweredBy customer ours
    """.split()  # noqa: SIM905 - a list of forty lines says no more
)

# A stream URL lives 300 s (ASAPP: Get Twilio media stream url); what is said before the stream opens is spent of it.
URL_LIFETIME = 300
LONG_GREETING = 30

# Shorter than this, a result is looked for only once: a round of polls takes two seconds.
SILENCE = 5


def check_language(language: Language, root: Section) -> list[Finding]:
    """Return what is wrong, or worth a warning, in the merged config of one environment, in no order."""
    checks = (
        _credentials(language, root),
        _budgets(language, root),
        _functions(language, root),
        _inputs(language, root),
        _greetings(language, root),
        _silence(language, root),
        check_outcomes(language, root),
        check_open_hours(language, root),
        check_speech(language, root),
        check_calling(language, root),
        check_fallback(language, root),
        _names_at_call_time(language, root),
        _flow(language, root),
        _files(language, root),
        _numbers(language, root),
    )
    return list(chain(*checks))


def _all_asapp(language: Language) -> Iterator[tuple[Keys, Asapp]]:
    yield ("asapp",), language.asapp
    for name, profile in language.profiles.items():
        yield ("profiles", name, "asapp"), profile.asapp


def _credentials(language: Language, root: Section) -> Iterator[Finding]:
    twilio = language.twilio
    if bool(twilio.api_key) != bool(twilio.api_key_secret):
        there, missing = ("api_key", "api_key_secret") if twilio.api_key else ("api_key_secret", "api_key")
        yield Finding(
            f"`twilio.{there}` is there without `twilio.{missing}`",
            "Twilio needs both, or the auth token",
            f"set the value behind `twilio.{missing}`, or remove `twilio.{there}`",
            place_of(root, ("twilio", there)),
        )


def _budgets(language: Language, root: Section) -> Iterator[Finding]:
    for keys, asapp in _all_asapp(language):
        if asapp.budget_ms < asapp.timeout_ms:
            yield Finding(
                "`asapp.budget_ms` is less than `asapp.timeout_ms`",
                f"{asapp.budget_ms} ms for all tries leaves no room for one of {asapp.timeout_ms} ms",
                f"raise the budget to {asapp.timeout_ms} at least, or lower the timeout",
                place_of(root, (*keys, "budget_ms")),
            )


def _functions(language: Language, root: Section) -> Iterator[Finding]:
    functions = {
        ("functions", "engage"): language.functions.engage,
        ("functions", "call_complete"): language.functions.call_complete,
        ("functions", "stream_status"): language.functions.stream_status,
    }
    if language.flow.enabled:
        functions[("flow", "engage")] = language.flow.engage
        functions[("flow", "call_transfer")] = language.flow.call_transfer
    folder = language.functions.engage.path.rpartition("/")[0]
    private = (f"{folder}/lib/", f"{folder}/hooks/")
    taken: dict[str, Keys] = {}
    for keys, function in functions.items():
        place = place_of(root, (*keys, "path"))
        if function.path in taken:
            yield Finding(
                f"two functions answer at `{function.path}`",
                f"`{dotted(taken[function.path])}` and `{dotted(keys)}` have the same path",
                "give one of them another path",
                place,
            )
        taken.setdefault(function.path, keys)
        if function.path.startswith(private):
            yield Finding(
                f"`{function.path}` lies among the private modules",
                f"ga-deploy deploys modules under `{private[0]}` and `{private[1]}`",
                "choose a path outside",
                place,
            )


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
                    f"`{value.name}` has no value when a call starts",
                    f"{value.root}.… is known only after the conversation; `input` is sent before it",
                    "use call.… or query.…, or a literal",
                    place_of(root, (*at, "from")),
                )
            for text in _literals(value):
                if len(str(at[-1])) + len(text) >= LARGEST_PARAMETER:
                    yield Finding(
                        f"`{at[-1]}` is too long to be sent",
                        f"Twilio carries fewer than {LARGEST_PARAMETER} characters, name and value together",
                        "shorten it",
                        place_of(root, at),
                    )


def _literals(value: Value | None) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif value is not None:
        yield from [value.default] if value.default else []
        yield from (value.map or {}).values()


def _greetings(language: Language, root: Section) -> Iterator[Finding]:
    scopes: dict[Keys, Language | Profile] = {("greeting",): language}
    scopes |= {("profiles", name, "greeting"): profile for name, profile in language.profiles.items()}
    for keys, scope in scopes.items():
        asapp, recording = scope.asapp, scope.recording
        announced = (Say(text=recording.announce),) if recording and recording.announce.strip() else ()
        seconds = round(sum(_seconds(step) for step in (*scope.greeting, *announced)))
        left = URL_LIFETIME - asapp.url_cache_seconds
        if seconds >= left:
            yield Finding(
                "the greeting may outlast the stream URL",
                f"it takes about {seconds} s, and a cached URL may have only {left} s left",
                "shorten the greeting, or lower `asapp.url_cache_seconds`",
                place_of(root, keys),
            )
        elif seconds > LONG_GREETING:
            yield Finding(
                "the greeting is long",
                f"it takes about {seconds} s before the agent can speak; callers hang up",
                "say only what has to be said",
                place_of(root, keys),
                "warning",
            )


def _silence(language: Language, root: Section) -> Iterator[Finding]:
    sections: dict[Keys, tuple[Waiting, Voice]] = {("waiting",): (language.waiting, language.voice)}
    for name, profile in language.profiles.items():
        if (profile.waiting, profile.voice.language) != (language.waiting, language.voice.language):
            sections["profiles", name, "waiting"] = (profile.waiting, profile.voice)
    for keys, (waiting, voice) in sections.items():
        if waiting.max_seconds >= SILENCE and not steps_of_waiting(waiting, voice):
            left_open = waiting.model_fields_set.isdisjoint({"say", "play"})
            at: Keys = (*keys[:-1], "voice", "language") if left_open else keys
            yield Finding(
                "callers hear nothing while a result is awaited",
                f"ASAPP may be late, and nothing is said or played in up to {waiting.max_seconds} s",
                "set `waiting.say` or `waiting.play`, or lower `waiting.max_seconds`",
                place_of(root, at),
                "warning",
            )


def _seconds(step: Say | Play | Pause) -> float:
    """Estimate how long a step lasts; a recording's length is not known."""
    if isinstance(step, Pause):
        return step.seconds
    return estimate_seconds(step.text) if isinstance(step, Say) else 5


def _names_at_call_time(language: Language, root: Section) -> Iterator[Finding]:
    for keys, value in _all_values(language):
        if not isinstance(value, From) or value.root != "call" or value.key in CALL_FIELDS:
            continue
        near = get_close_matches(value.key, sorted(CALL_FIELDS), n=1, cutoff=0.7)
        if near and not value.key.startswith("SipHeader_"):
            yield Finding(
                f"`{value.name}` is no field that Twilio documents",
                "it would be absent in every call",
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
        enqueue = getattr(destination, "enqueue", None)
        held: dict[Keys, Mapping[str, Value]] = {
            ("headers",): getattr(destination, "headers", {}),
            ("params",): getattr(destination, "params", {}),
        }
        attributes: Keys = ("destinations", name, "enqueue", "attributes")
        yield from locate_lookups(enqueue.attributes if enqueue else {}, attributes)
        for inner, values in held.items():
            yield from ((("destinations", name, *inner, key), value) for key, value in values.items())
    for where, outcomes in all_outcomes(language):
        for name in Outcomes.model_fields:
            for index, step in enumerate(getattr(outcomes, name)):
                if isinstance(step, Send):
                    yield (*where, name, index, "send", "by"), step.by
                elif isinstance(step, Sms):
                    yield (*where, name, index, "sms", "to"), step.to


def _flow(language: Language, root: Section) -> Iterator[Finding]:
    flow = language.flow
    if flow.attach_to and flow.base:
        yield Finding(
            "`flow.base` stands beside `flow.attach_to`",
            "the flow is either one in the account, or made from the file",
            "remove one of the two",
            place_of(root, ("flow", "base")),
        )
    if flow.base_keys and not flow.base and not flow.attach_to:
        yield Finding(
            "`flow.base_keys` stands without a flow that has menus",
            "there is neither `flow.base` nor `flow.attach_to`, so no simulated caller presses them",
            "remove it, or set `flow.base`",
            place_of(root, ("flow", "base_keys")),
            "warning",
        )
    if flow.base is None and bool(flow.attach_to) != bool(flow.after):
        there, missing = ("attach_to", "after") if flow.attach_to else ("after", "attach_to")
        yield Finding(
            f"`flow.{there}` is there without `flow.{missing}`",
            "to attach to a flow takes the flow and the transition",
            f"set `flow.{missing}`, or remove `flow.{there}`",
            place_of(root, ("flow", there)),
        )


def _is_there(path: Path, *, folder: bool = False) -> bool:
    """Tell whether there is such a file. A name too long for one, or a folder that may not be looked into, has none."""
    try:
        return path.is_dir() if folder else path.is_file()
    except OSError:
        return False


def _files(language: Language, root: Section) -> Iterator[Finding]:
    correct = "correct the path (it is relative to the config)"
    for keys, path, folder, kind, fix in (
        (("hooks", "before_engage"), language.hooks.before_engage, False, "hook", "create it"),
        (("hooks", "after_call"), language.hooks.after_call, False, "hook", "create it"),
        (("flow", "base"), language.flow.base, False, "flow", "export it from the Console"),
        (
            ("templates",),
            language.templates,
            True,
            "templates folder",
            "run `ga-deploy init --templates`",
        ),
    ):
        if path is None or _is_there(path, folder=folder):
            continue
        node, _, _ = locate(root, keys)
        written = node.value if isinstance(node, Scalar) else None
        names = names_in(written)
        none = "no folder" if folder else "no file"
        # With references it is shown as it is written, not as it came out.
        yield Finding(
            f"the {kind} {show(written if names else path.name)} does not exist",
            f"{none} has that name" if names else f"{str(path)[:300]} is {none}",
            f"{fix}, or {correct}",
            place_of(root, keys),
        )


def _numbers(language: Language, root: Section) -> Iterator[Finding]:
    profiles = defined(root, "profiles")
    seen: set[str] = set()
    for index, entry in enumerate(language.phone_numbers):
        at: Keys = ("phone_numbers", index)
        if entry.number in seen:
            yield Finding(
                "a phone number is listed twice",
                f"{entry.number} can point at one place only",
                "remove one of the entries",
                place_of(root, (*at, "number")),
            )
        seen.add(entry.number)
        if entry.profile is not None and entry.profile not in profiles:
            yield no_such("profile", entry.profile, profiles, root, (*at, "profile"))
        if entry.to == "flow" and not language.flow.enabled:
            yield Finding(
                "a number goes to the flow, but there is no flow",
                "`flow.enabled` is not true",
                "set `flow.enabled: true`, or `to: engage`",
                place_of(root, (*at, "to")),
            )
        if entry.to == "flow" and entry.profile is not None:
            yield Finding(
                "a number has a profile and goes to the flow",
                "the flow chooses what is sent to the agent; its URL is the same for every number",
                "remove `profile`, or set `to: engage`",
                place_of(root, (*at, "profile")),
            )
