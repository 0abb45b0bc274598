"""The mock agent's voice: no words, but a sound that an ear and a level meter take for speech.

Each syllable is a buzz with a falling pitch through two vowel formants, after a breath of noise; words are kept apart
by pauses. Deterministic: the same text is the same audio everywhere.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache
from zlib import crc32

from ga_deploy import g711

# First and second formant in Hz (Peterson and Barney 1952, rounded).
_VOWELS = {"a": (730, 1090), "e": (530, 1840), "i": (270, 2290), "o": (570, 840), "u": (300, 870), "y": (400, 1700)}
_PEAK = 0.35 * g711.FULL_SCALE


@lru_cache(maxsize=256)
def speak(text: str) -> bytes:
    """Return `text` as µ-law, about 14 letters a second; whole 20 ms frames, at least one."""
    noise = random.Random(crc32(text.encode()))  # noqa: S311 - audio, not cryptography
    samples: list[float] = []
    for word in text.lower().split():
        vowels = [letter for letter in word if letter in _VOWELS] or ["e"]
        for at, vowel in enumerate(vowels):
            samples += _hiss(noise, 0.035)
            samples += _sing(_VOWELS[vowel], 0.14, 150 - 25 * at / len(vowels) - len(samples) / 4000)
        samples += [0.0] * int(0.06 * g711.SAMPLE_RATE)
    peak = max(map(abs, samples), default=0.0) or 1.0
    # Bent, not only scaled: resonances are spikes, a voice on a telephone line is compressed.
    audio = g711.encode(int(math.tanh(4 * sample / peak) * _PEAK) for sample in samples)
    return audio + bytes([g711.SILENCE]) * (-len(audio) % g711.FRAME_BYTES or (0 if audio else g711.FRAME_BYTES))


def _hiss(noise: random.Random, seconds: float) -> list[float]:
    return [noise.uniform(-0.5, 0.5) for _ in range(int(seconds * g711.SAMPLE_RATE))]


def _sing(formants: tuple[int, int], seconds: float, pitch: float) -> list[float]:
    count = int(seconds * g711.SAMPLE_RATE)
    period = max(1, int(g711.SAMPLE_RATE / max(pitch, 80.0)))
    wave = [1.0 if at % period == 0 else 0.0 for at in range(count)]
    for formant in formants:
        wave = _resonate(wave, formant, bandwidth=90.0)
    return [sample * math.sin(math.pi * at / count) for at, sample in enumerate(wave)]


def _resonate(wave: list[float], frequency: float, bandwidth: float) -> list[float]:
    radius = math.exp(-math.pi * bandwidth / g711.SAMPLE_RATE)
    first = 2 * radius * math.cos(2 * math.pi * frequency / g711.SAMPLE_RATE)
    second = -radius * radius
    before = older = 0.0
    out = []
    for sample in wave:
        before, older = sample + first * before + second * older, before
        out.append(before)
    return out
