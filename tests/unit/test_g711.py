"""µ-law against the published quantiser and against an independent codec."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamdouble import g711 as independent

from ga_deploy import g711

SAMPLES = st.lists(st.integers(-32768, 32767), max_size=400)


def test_every_code_survives_decoding_and_encoding() -> None:
    codes = bytes(range(256))
    # 0x7F is minus zero, which has no sample of its own.
    assert g711.encode(g711.decode(codes)) == codes.replace(b"\x7f", b"\xff")


def test_the_published_corner_values() -> None:
    assert list(g711.decode(bytes([0x00, 0x80, 0xFF, 0x7F]))) == [-32124, 32124, 0, 0]
    assert g711.encode([0, -32768, 32767]) == bytes([0xFF, 0x00, 0x80])


@given(SAMPLES)
def test_an_independent_codec_agrees(samples: list[int]) -> None:
    ours = g711.encode(samples)
    theirs = independent.encode(np.array(samples, dtype=np.int16))
    assert list(g711.decode(ours)) == list(independent.decode(ours))
    # On the border between two codes either may be chosen.
    steps = (abs((a & 0x7F) - (b & 0x7F)) for a, b in zip(ours, theirs, strict=True))
    assert max(steps, default=0) <= 1


@given(SAMPLES)
def test_the_error_stays_within_one_step(samples: list[int]) -> None:
    for before, after in zip(samples, g711.decode(g711.encode(samples)), strict=True):
        assert abs(before - after) <= max(8, abs(before) // 16) + 650 * (abs(before) > 32124)


@given(SAMPLES, SAMPLES)
def test_mixing_adds_up_and_clips(one: list[int], other: list[int]) -> None:
    length = min(len(one), len(other))
    first, second = g711.encode(one[:length]), g711.encode(other[:length])
    sums = [max(-32768, min(32767, a + b)) for a, b in zip(g711.decode(first), g711.decode(second), strict=True)]
    assert g711.mix(first, second) == g711.encode(sums)


def test_levels() -> None:
    tone = g711.encode(int(16384 * math.sin(at / 4)) for at in range(8000))
    assert g711.measure_level(tone) == pytest.approx(-9.0, abs=0.3)
    assert g711.measure_level(g711.silence(1)) == -math.inf
    assert g711.measure_level(b"") == -math.inf
    assert g711.is_loud(tone[:160])
    assert not g711.is_loud(g711.silence(0.02))
    assert not g711.is_loud(b"")


def test_a_click_is_not_speech() -> None:
    frame = bytearray(g711.silence(0.02))
    frame[80] = 0x00
    assert not g711.is_loud(bytes(frame))
