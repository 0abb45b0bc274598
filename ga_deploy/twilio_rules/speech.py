"""How long a spoken text takes, and how long it may be. Read by config, simulator and what measures a greeting."""

from __future__ import annotations

from urllib.parse import quote

# Characters that a voice speaks in a second: an estimate for English at the usual rate, assumed (see `behaviour`).
CHARACTERS_A_SECOND = 15

# Twilio's error 13521, by who makes the voice. A name without a maker (man, woman, alice) is one of the basic ones.
SAY_LIMITS = {"basic": 4096, "polly": 3000, "google": 5000}
SAY_LIMIT_ENCODED = 4500


def tell_maker(voice: str) -> str:
    """Return who makes the voice: `polly`, `google` or `basic`. Without a name it is Twilio's default, a basic one."""
    maker = voice.partition(".")[0].lower()
    return maker if "." in voice and maker in SAY_LIMITS else "basic"


def find_say_limit(voice: str) -> int:
    """Return how many characters Twilio speaks with this voice at most."""
    return SAY_LIMITS[tell_maker(voice)]


def measure_encoded(text: str) -> int:
    """Return the length of a text as it is URL-encoded in a form, where a space is one character (`+`)."""
    return len(quote(text, safe=" "))


def find_say_fault(text: str, voice: str) -> str:
    """Return why Twilio would not speak this text with this voice; empty if it would."""
    limit = find_say_limit(voice)
    if len(text) > limit:
        return f"the text has {len(text)} characters; a {tell_maker(voice)} voice speaks at most {limit}"
    encoded = measure_encoded(text)
    if encoded > SAY_LIMIT_ENCODED:
        return f"the text has {encoded} characters when URL-encoded; Twilio speaks at most {SAY_LIMIT_ENCODED}"
    return ""


def estimate_seconds(text: str) -> float:
    """Return about how many seconds a text takes to speak; 0 for none, half a second at least."""
    return max(0.5, len(text) / CHARACTERS_A_SECOND) if text else 0.0
