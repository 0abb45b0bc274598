"""G.711 µ-law, the audio of telephone calls: 8,000 Hz, mono, one byte a sample (ITU-T G.711).

Tables and `bytes.translate`, so that pure Python keeps up with hundreds of calls. Imports nothing of the project.
"""

from __future__ import annotations

import math
from array import array
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLE_RATE = 8000
FRAME_BYTES = 160
FRAME_SECONDS = 0.02
SILENCE = 0xFF
FULL_SCALE = 32768.0

_BIAS = 0x84
_CLIP = 32635


def _decode_sample(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + _BIAS) << ((code & 0x70) >> 4)) - _BIAS
    return -magnitude if code & 0x80 else magnitude


def _encode_sample(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0F)) & 0xFF


DECODED = tuple(_decode_sample(code) for code in range(256))
_SQUARES = tuple(sample * sample for sample in DECODED)


@cache
def _encode_table() -> bytes:
    # Index 0 … 65535, so that a negative sample finds its place by Python's own negative indexing.
    return bytes(_encode_sample(index if index < 32768 else index - 65536) for index in range(65536))


def encode(samples: Iterable[int]) -> bytes:
    """Return 16-bit samples as µ-law. Samples outside -32768 … 32767 are an IndexError."""
    return bytes(map(_encode_table().__getitem__, samples))


def decode(audio: bytes) -> array[int]:
    """Return µ-law as 16-bit samples."""
    return array("h", map(DECODED.__getitem__, audio))


def silence(seconds: float) -> bytes:
    """Return so much digital silence."""
    return bytes([SILENCE]) * round(seconds * SAMPLE_RATE)


def measure_level(audio: bytes) -> float:
    """Return the RMS level in dB below full scale; -inf for digital silence or no audio at all."""
    energy = sum(map(_SQUARES.__getitem__, audio))
    return 10 * math.log10(energy / len(audio) / FULL_SCALE**2) if energy else -math.inf


@cache
def _loudness_table(threshold_dbfs: float) -> bytes:
    limit = FULL_SCALE * 10 ** (threshold_dbfs / 20)
    return bytes(abs(sample) >= limit for sample in DECODED)


def is_loud(frame: bytes, *, threshold_dbfs: float = -34.0, share: float = 0.12) -> bool:
    """Tell speech from a quiet line: whether that share of a frame's samples reaches the threshold.

    A share, not a peak: a click is not speech.
    """
    return frame.translate(_loudness_table(threshold_dbfs)).count(1) >= share * len(frame) > 0


def mix(audio: bytes, other: bytes) -> bytes:
    """Return two equally long pieces of µ-law added up, clipped at full scale."""
    table, decoded = _encode_table(), DECODED
    return bytes([
        table[max(-32768, min(32767, decoded[a] + decoded[b]))] for a, b in zip(audio, other, strict=True)
    ])  # fmt: skip
