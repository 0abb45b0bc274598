"""Audio of calls: any WAV in, µ-law 8,000 Hz out, and the other way round.

It reads the RIFF structure itself, because Python's `wave` knows neither floats nor telephone codecs. Resampling is a
windowed-sinc low-pass evaluated per phase, so that high frequencies do not fold into the voice.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import mul
from typing import TYPE_CHECKING, Any

from ga_deploy import g711
from ga_deploy.errors import DeployError
from ga_deploy.plain_file import read_plain_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LONGEST_SECONDS = 600
_LARGEST_FILE = 256 * 1024 * 1024
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
# The low-pass: zero crossings on each side, and a Kaiser window made for 75 dB. It keeps the voice up to 3.4 kHz, as a
# telephone does, and lets aliases of 5 kHz and more through at -70 dB at most.
_CROSSINGS = 16
_KAISER_BETA = 0.1102 * (75 - 8.7)


class WavUnusable(DeployError):
    """A file that was given as a caller's voice is not a WAV that can be played."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"`{path}` cannot be played as a caller's voice",
            why=why,
            fix="give a WAV of PCM, float, µ-law or A-law samples, at most ten minutes long",
            at=str(path),
        )


def read_wav(path: Path) -> bytes:
    """Return a WAV as µ-law, 8,000 Hz, mono: whole 20 ms frames, the last one filled up with silence.

    8, 16, 24 and 32 bit, float, µ-law and A-law, any rate from 1 to 384 kHz, any number of channels (mixed down).
    Raises WavUnusable.
    """
    try:
        content = read_plain_file(path, _LARGEST_FILE)
        return pad_to_frames(g711.encode(resample(*_read_samples(content))))
    except OSError as error:
        raise WavUnusable(path, error.strerror or str(error)) from None
    except (ValueError, struct.error) as error:
        raise WavUnusable(path, str(error)) from None


def pad_to_frames(audio: bytes) -> bytes:
    """Fill the last 20 ms frame of µ-law up with silence."""
    return audio + bytes([g711.SILENCE]) * (-len(audio) % g711.FRAME_BYTES)


def write_wav(path: Path, *tracks: bytes) -> None:
    """Write µ-law tracks of any lengths as one 16-bit WAV, a channel each; parent folders are made."""
    length = max(map(len, tracks))
    samples = array("h", bytes(2 * length * len(tracks)))
    for channel, track in enumerate(tracks):
        samples[channel :: len(tracks)] = g711.decode(track.ljust(length, bytes([g711.SILENCE])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav_bytes(samples, channels=len(tracks)))


def wav_bytes(samples: array[int], *, channels: int = 1, rate: int = g711.SAMPLE_RATE) -> bytes:
    """Return 16-bit samples, interleaved, as a WAV file."""
    body = _swapped(array("h", samples)).tobytes()
    layout = struct.pack("<HHIIHH", _PCM, channels, rate, rate * channels * 2, channels * 2, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def resample(samples: Sequence[int], rate: int) -> list[int]:
    """Return 16-bit samples at 8,000 Hz."""
    if rate == g711.SAMPLE_RATE:
        return list(samples)
    shared = math.gcd(rate, g711.SAMPLE_RATE)
    up, down = g711.SAMPLE_RATE // shared, rate // shared
    half = math.ceil(_CROSSINGS * max(1.0, down / up))
    padded = [0] * half + list(samples) + [0] * (half + 1)
    width = 2 * half + 1
    out = []
    for at in range(len(samples) * up // down):
        position, phase = divmod(at * down, up)
        value = sum(map(mul, _taps(up, down, phase, half), padded[position : position + width]))
        out.append(max(-32768, min(32767, round(value))))
    return out


@lru_cache(maxsize=16_384)
def _taps(up: int, down: int, phase: int, half: int) -> tuple[float, ...]:
    cutoff = min(1.0, up / down)
    taps = []
    for at in range(2 * half + 1):
        distance = at - half - phase / up
        sinc = math.sin(math.pi * distance * cutoff) / (math.pi * distance) if distance else cutoff
        window = _bessel(_KAISER_BETA * math.sqrt(max(0.0, 1 - (distance / (half + 1)) ** 2)))
        taps.append(sinc * window)
    scale = sum(taps)
    return tuple(tap / scale for tap in taps)


def _bessel(x: float) -> float:
    """Return the modified Bessel function of order 0, of which the Kaiser window is made."""
    total = term = 1.0
    for index in range(1, 40):
        term *= (x / (2 * index)) ** 2
        total += term
    return total


def _read_samples(content: bytes) -> tuple[Sequence[int], int]:
    """Return a WAV's samples as 16-bit mono, and their rate. Raises ValueError."""
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"it is larger than {_LARGEST_FILE // 1024 // 1024} MiB")
    codec, channels, rate, bits, body = _split_riff(content)
    read = _reader(codec, bits)
    if not 1 <= channels <= 64 or not 1000 <= rate <= 384_000:
        raise ValueError(f"it claims {channels} channels at {rate} Hz")
    frame_size = channels * bits // 8
    if len(body) > LONGEST_SECONDS * rate * frame_size:
        raise ValueError(f"it is longer than {LONGEST_SECONDS // 60} minutes")
    samples = read(body[: len(body) // frame_size * frame_size])
    if not samples:
        raise ValueError("it holds no samples")
    return (samples if channels == 1 else _mix_down(samples, channels)), rate


def _split_riff(content: bytes) -> tuple[int, int, int, int, bytes]:
    """Return codec, channels, rate, bits a sample, and the sample bytes. Raises ValueError."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError("it is not a WAV file")
    layout, body, at = b"", None, 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        if name == b"fmt ":
            layout = content[at + 8 : at + 8 + size]
        elif name == b"data":
            # A stream that was cut off, or whose writer could not go back, has a size that is not true.
            body = content[at + 8 : at + 8 + size]
            break
        at += 8 + size + size % 2
    if len(layout) < 16:
        raise ValueError("it has no format chunk")
    if body is None:
        raise ValueError("it has no data chunk")
    codec, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", layout)
    if codec == _EXTENSIBLE and len(layout) >= 26:
        codec = struct.unpack_from("<H", layout, 24)[0]
    return codec, channels, rate, bits, body


def _reader(codec: int, bits: int) -> Callable[[bytes], Sequence[int]]:
    readers: dict[tuple[int, int], Callable[[bytes], Sequence[int]]] = {
        (_PCM, 8): lambda body: [(byte - 128) << 8 for byte in body],
        (_PCM, 16): lambda body: _swapped(array("h", body)),
        # The two highest bytes of each sample are the 16-bit sample.
        (_PCM, 24): lambda body: _swapped(array("h", _drop_bytes(body, 3))),
        (_PCM, 32): lambda body: _swapped(array("h", _drop_bytes(body, 4))),
        (_FLOAT, 32): lambda body: _from_float(_swapped(array("f", body))),
        (_FLOAT, 64): lambda body: _from_float(_swapped(array("d", body))),
        (_MULAW, 8): g711.decode,
        (_ALAW, 8): lambda body: [_ALAW_SAMPLES[byte] for byte in body],
    }
    if (codec, bits) not in readers:
        raise ValueError(f"its codec {codec} with {bits} bits is not supported")
    return readers[codec, bits]


def _drop_bytes(body: bytes, width: int) -> bytes:
    kept = bytearray(len(body) // width * 2)
    kept[0::2], kept[1::2] = body[width - 2 :: width], body[width - 1 :: width]
    return bytes(kept)


def _from_float(values: array[float]) -> list[int]:
    return [int(max(-1.0, min(1.0, value)) * 32767) if value == value else 0 for value in values]  # noqa: PLR0124


def _swapped(samples: array[Any]) -> array[Any]:
    """WAV is little-endian whatever the machine is."""
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _mix_down(samples: Sequence[int], channels: int) -> list[int]:
    return [sum(group) // channels for group in zip(*[iter(samples)] * channels, strict=True)]


def _decode_alaw(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = (code & 0x70) >> 4, code & 0x0F
    magnitude = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


_ALAW_SAMPLES = tuple(_decode_alaw(code) for code in range(256))


@dataclass(frozen=True)
class Speech:
    """A stretch in which somebody was audible, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def find_speech(audio: bytes, *, pause: float = 0.3, threshold_dbfs: float = -40.0) -> tuple[Speech, ...]:
    """Return where somebody is audible in µ-law, to 20 ms. Silences shorter than `pause` belong to the speech."""
    found: list[Speech] = []
    size, seconds = g711.FRAME_BYTES, g711.FRAME_SECONDS
    for at in range(0, len(audio), size):
        if g711.is_loud(audio[at : at + size], threshold_dbfs=threshold_dbfs, share=0.05):
            start = at // size * seconds
            if found and start - found[-1].end < pause:
                found[-1] = Speech(found[-1].start, start + seconds)
            else:
                found.append(Speech(start, start + seconds))
    return tuple(found)


@dataclass(frozen=True)
class AudioQuality:
    """What an engineer would ask of one direction of a call.

    `level_dbfs` is the RMS level of the audible stretches (-inf: none), `clipped_share` the share of their samples at
    full scale, `longest_silence` between two audible stretches, in seconds.
    """

    speech_seconds: float
    level_dbfs: float
    clipped_share: float
    longest_silence: float


def judge_audio(audio: bytes) -> AudioQuality:
    """Measure µ-law audio."""
    speech = find_speech(audio)
    rate = g711.SAMPLE_RATE
    audible = b"".join(audio[round(one.start * rate) : round(one.end * rate)] for one in speech)
    silences = [later.start - earlier.end for earlier, later in pairwise(speech)]
    # The outermost codes of both signs: what lies beyond full scale ends up there.
    clipped = audible.count(0x00) + audible.count(0x80)
    return AudioQuality(
        speech_seconds=sum(one.seconds for one in speech),
        # Of long audio a regular sample: the level is the same, and other calls are not held up for it.
        level_dbfs=g711.measure_level(audible[:: max(1, len(audible) // 40_000)]),
        clipped_share=clipped / len(audible) if audible else 0.0,
        longest_silence=max(silences, default=0.0),
    )
