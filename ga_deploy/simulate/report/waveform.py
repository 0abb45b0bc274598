"""A recording of a media stream, drawn: the caller above, the agent below."""

from __future__ import annotations

import io
import struct
import wave
from array import array
from dataclasses import dataclass
from html import escape

from ga_deploy import g711

_WIDTH = 1000
_HEIGHT = 116
_COLUMNS = 500
_ULAW_FORMAT = 7


@dataclass(frozen=True)
class Recording:
    """Both sides of a stream as 16-bit samples, 8,000 a second, equally long."""

    caller: array[int]
    agent: array[int]

    def as_wav(self) -> bytes:
        """Return a stereo WAV in µ-law, half the size of the samples; browsers play it."""
        samples: array[int] = array("h", bytes(4 * len(self.caller)))
        samples[0::2] = self.caller
        samples[1::2] = self.agent
        audio = g711.encode(samples)
        rate = g711.SAMPLE_RATE
        layout = struct.pack("<HHIIHHH", _ULAW_FORMAT, 2, rate, rate * 2, 2, 8, 0)
        body = b"WAVE" + _chunk(b"fmt ", layout) + _chunk(b"fact", struct.pack("<I", len(audio) // 2))
        return b"RIFF" + struct.pack("<I", len(body) + 8 + len(audio) + len(audio) % 2) + body + _chunk(b"data", audio)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def read_recording(wav: bytes) -> Recording | None:
    """Return the two sides of a stereo 16-bit WAV, or None for anything else."""
    try:
        with wave.open(io.BytesIO(wav)) as source:
            if source.getnchannels() != 2 or source.getsampwidth() != 2 or source.getframerate() != g711.SAMPLE_RATE:
                return None
            samples = array("h", source.readframes(source.getnframes()))
    except (wave.Error, EOFError):
        return None
    return Recording(samples[0::2], samples[1::2])


def draw_waveform(recording: Recording, label: str) -> str:
    """Return both sides as SVG, with a line at the beginning that a script may move while it plays."""
    middle = _HEIGHT / 4
    upper = _draw_side(recording.caller, middle, "caller")
    lower = _draw_side(recording.agent, _HEIGHT - middle, "agent")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f'{upper}{lower}<line class="head" x1="0" x2="0" y1="0" y2="{_HEIGHT}"/></svg>'
    )


def _draw_side(samples: array[int], middle: float, colour: str) -> str:
    if not samples:
        return ""
    columns = min(_COLUMNS, len(samples))
    tall = _HEIGHT / 4 - 4
    tops = []
    for column in range(columns):
        part = samples[column * len(samples) // columns : (column + 1) * len(samples) // columns]
        peak = max(map(abs, part)) / 32768
        # Speech fills a tenth of the range; a root makes quiet parts visible without hiding loud ones.
        tops.append(max(0.6, tall * peak**0.5))
    xs = [_WIDTH * (column + 0.5) / columns for column in range(columns)]
    points = [f"{x:.1f},{middle - top:.1f}" for x, top in zip(xs, tops, strict=True)]
    points += [f"{x:.1f},{middle + top:.1f}" for x, top in zip(reversed(xs), reversed(tops), strict=True)]
    return f'<polygon class="{colour}" points="{" ".join(points)}"/>'
