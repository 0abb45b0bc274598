"""Checks of spoken texts: too long for the voice, or with markup that would be read aloud."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ga_deploy.config.checks.outcomes import all_outcomes
from ga_deploy.config.explain import place_of
from ga_deploy.config.schema import Outcomes
from ga_deploy.config.steps import Say
from ga_deploy.errors import Finding
from ga_deploy.twilio_rules.speech import find_say_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ga_deploy.config.schema import Language, Profile, Step
    from ga_deploy.yaml_tree.tree import Keys, Section

# The elements that Twilio's page of SSML lists, opened, closed or empty.
_SSML = re.compile(
    r"</?(speak|break|emphasis|lang|mark|p|phoneme|prosody|s|say-as|sub|w|amazon:[a-z-]+|google:[a-z-]+)\b[^<>]*>",
    re.IGNORECASE,
)

Spoken = tuple["Keys", str, str]


def check_speech(language: Language, root: Section) -> Iterator[Finding]:
    """Yield each text that Twilio would refuse to speak, or would speak with its markup."""
    for keys, text, voice in _spoken(language):
        fault = find_say_fault(text, voice)
        if fault:
            yield Finding(
                "a text is too long for its voice",
                f"{fault} (voice {voice})",
                "shorten it, or split it into two steps",
                place_of(root, keys),
            )
        markup = _SSML.search(text)
        if markup:
            yield Finding(
                f"a text has SSML in it: `{markup[0][:40]}`",
                "texts are sent as plain text, so the voice reads the markup aloud or says nothing",
                "write plain words; use `- pause: 1` for a pause, and `voice` and `language` beside the text",
                place_of(root, keys),
                "warning",
            )


def _spoken(language: Language) -> Iterator[Spoken]:
    scopes: list[tuple[Keys, Language | Profile]] = [((), language)]
    scopes += [(("profiles", name), profile) for name, profile in language.profiles.items()]
    for keys, scope in scopes:
        voice = scope.voice.name
        yield from _steps(scope.greeting, (*keys, "greeting"), voice)
        if scope.waiting.say:
            yield (*keys, "waiting", "say"), scope.waiting.say, voice
        if scope.recording is not None:
            yield (*keys, "recording", "announce"), scope.recording.announce, voice
        for name, destination in language.destinations.items():
            for below, text in destination.spoken():
                yield ("destinations", name, *below), text, voice
    yield from _steps(language.fallback, ("fallback",), language.voice.name)
    for keys, outcomes in all_outcomes(language):
        voice = language.voice.name if keys == ("outcomes",) else language.profiles[str(keys[1])].voice.name
        for name in Outcomes.model_fields:
            yield from _steps(getattr(outcomes, name), (*keys, name), voice)


def _steps(steps: Iterable[Step], keys: Keys, voice: str) -> Iterator[Spoken]:
    for index, step in enumerate(steps):
        if isinstance(step, Say):
            yield (*keys, index, "say"), step.text, step.voice or voice
