"""Checks of the time before and after the agent: greetings that take too long, silence while a result is late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.explain import place_of
from ga_deploy.config.steps import Pause, Play, Say
from ga_deploy.config.waiting import steps_of_waiting
from ga_deploy.errors import Finding
from ga_deploy.twilio_rules.speech import estimate_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Language, Profile, Voice, Waiting
    from ga_deploy.yaml_tree.tree import Keys, Section

# A stream URL is valid for 300 s (ASAPP: Get Twilio media stream url); the greeting uses up some of this time.
URL_LIFETIME = 300
LONG_GREETING = 30

# With a shorter wait, the functions ask for the result only once: a round of polls takes two seconds.
SILENCE = 5


def check_waiting(language: Language, root: Section) -> Iterator[Finding]:
    """Yield each greeting that takes too long, and a warning where a caller would wait in silence."""
    yield from _greetings(language, root)
    yield from _silence(language, root)


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
                "the greeting may take longer than the stream URL is valid",
                f"the greeting takes about {seconds} s, and a cached URL may be valid for only {left} s",
                "shorten the greeting, or lower `asapp.url_cache_seconds`",
                place_of(root, keys),
            )
        elif seconds > LONG_GREETING:
            yield Finding(
                "the greeting is long",
                f"the agent can speak only after about {seconds} s, and callers hang up",
                "shorten it",
                place_of(root, keys),
                "warning",
            )


def _seconds(step: Say | Play | Pause) -> float:
    """Estimate how many seconds a step lasts; the length of a recording is unknown."""
    if isinstance(step, Pause):
        return step.seconds
    return estimate_seconds(step.text) if isinstance(step, Say) else 5


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
                "callers hear silence while they wait for a late result",
                f"ASAPP's result may be up to {waiting.max_seconds} s late, and nothing is said or played",
                "set `waiting.say` or `waiting.play`, or lower `waiting.max_seconds`",
                place_of(root, at),
                "warning",
            )
