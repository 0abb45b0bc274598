"""WAV files as people have them, and what is measured of a call."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import wave
from array import array
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy import g711
from ga_deploy.simulate.media.audio import (
    WavUnusable,
    find_speech,
    judge_audio,
    pad_to_frames,
    read_wav,
    resample,
    write_wav,
)

if TYPE_CHECKING:
    from pathlib import Path


def tone(rate: int, frequency: float = 1000, seconds: float = 0.5, level: float = 0.5) -> list[float]:
    return [level * math.sin(2 * math.pi * frequency * at / rate) for at in range(int(rate * seconds))]


def make_wav(codec: int, bits: int, body: bytes, *, rate: int = 8000, channels: int = 1, extra: bytes = b"") -> bytes:
    block = channels * bits // 8
    layout = struct.pack("<HHIIHH", codec, channels, rate, rate * block, block, bits) + extra
    chunks = b"WAVE" + b"LIST\x03\0\0\0abc\0" + b"fmt " + struct.pack("<I", len(layout)) + layout
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def pack(samples: list[float], bits: int) -> bytes:
    if bits == 8:
        return bytes(int(sample * 127) + 128 for sample in samples)
    return b"".join(
        int(sample * (2 ** (bits - 1) - 1)).to_bytes(bits // 8, "little", signed=True) for sample in samples
    )


EXTENSIBLE = struct.pack("<HHIH", 22, 16, 0, 1) + bytes(14)


@pytest.mark.parametrize(
    "content",
    [
        *(make_wav(1, bits, pack(tone(8000), bits)) for bits in (8, 16, 24, 32)),
        make_wav(3, 32, array("f", tone(8000)).tobytes()),
        make_wav(3, 64, array("d", tone(8000)).tobytes()),
        make_wav(7, 8, g711.encode(int(sample * 32767) for sample in tone(8000))),
        make_wav(0xFFFE, 16, pack(tone(8000), 16), extra=EXTENSIBLE),
        *(make_wav(1, 16, pack(tone(rate), 16), rate=rate) for rate in (11025, 16000, 22050, 44100, 48000, 96000)),
        make_wav(1, 16, pack([half for one in tone(16000) for half in (one, one)], 16), rate=16000, channels=2),
    ],
)
def test_every_common_wav_becomes_the_same_telephone_audio(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "voice.wav"
    file.write_bytes(content)
    audio = read_wav(file)
    assert len(audio) == 4000
    assert g711.measure_level(audio[400:-400]) == pytest.approx(-9.0, abs=0.3)


def test_alaw(tmp_path: Path) -> None:
    file = tmp_path / "voice.wav"
    file.write_bytes(make_wav(6, 8, bytes([0xD5, 0x55, 0xAA, 0x2A] * 40)))
    assert list(g711.decode(read_wav(file))[:4]) == list(g711.decode(g711.encode([8, -8, 32256, -32256])))


def measure_gain(rate: int, frequency: float) -> float:
    """Return by how many dB resampling changes a tone, without its first and last moments."""
    samples = [round(32767 * sample) for sample in tone(rate, frequency, seconds=0.2)]
    heard = resample(samples, rate)[200:-200]
    power = [sum(one * one for one in part) / len(part) for part in (heard, samples)]
    return 10 * math.log10(max(power[0], 1e-9) / power[1])


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
def test_what_a_telephone_cannot_carry_does_not_fold_into_the_voice(rate: int) -> None:
    for frequency in (5000, 5500, 6500, 7900, 12000, 19000):
        if frequency < rate / 2:
            assert measure_gain(rate, frequency) < -70, f"{frequency} Hz is heard as an alias"
    for frequency in (300, 1000, 3400):
        assert measure_gain(rate, frequency) == pytest.approx(0, abs=0.1), f"{frequency} Hz belongs to the voice"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a WAV"),
        (b"ID3\x04 this is an mp3", "not a WAV"),
        (b"RIFF\0\0\0\0WAVE", "no format chunk"),
        (make_wav(1, 16, b"")[:-8], "no data chunk"),
        (make_wav(1, 16, b""), "no samples"),
        (make_wav(1, 16, b"\0"), "no samples"),
        (make_wav(2, 4, b"\0" * 8), "codec 2 with 4 bits"),
        (make_wav(1, 12, b"\0" * 8), "codec 1 with 12 bits"),
        (make_wav(1, 16, b"\0" * 8, channels=0), "0 channels"),
        (make_wav(1, 16, b"\0" * 8, rate=0), "at 0 Hz"),
        (make_wav(1, 16, b"\0" * 8, rate=4_000_000), "at 4000000 Hz"),
        (make_wav(1, 8, b"\0" * 601_000, rate=1000), "longer than 10 minutes"),
    ],
)
def test_what_cannot_be_played_is_refused_with_a_reason(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "voice.wav"
    file.write_bytes(content)
    with pytest.raises(WavUnusable) as refused:
        read_wav(file)
    assert why in refused.value.why
    assert "voice.wav" in refused.value.what
    assert refused.value.fix


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(WavUnusable, match="cannot be played"):
            read_wav(path)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.wav"
    for head in (b"", b"RIFF\0\0\0\0WAVE", make_wav(1, 16, b"")[:-8] + b"data"):
        file.write_bytes(head + content)
        with contextlib.suppress(WavUnusable):
            assert len(read_wav(file)) % 160 == 0


def test_a_cut_off_file_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "voice.wav"
    file.write_bytes(make_wav(1, 16, pack(tone(8000), 16))[:-4001])
    assert 1900 < len(read_wav(file)) < 2200


def test_both_directions_become_one_stereo_file(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "call.wav"
    write_wav(file, b"\x80" * 320, b"\x00" * 160)
    with wave.open(io.BytesIO(file.read_bytes())) as recording:
        assert (recording.getnchannels(), recording.getframerate(), recording.getnframes()) == (2, 8000, 320)
        samples = array("h", recording.readframes(320))
    assert (samples[0], samples[1], samples[-1]) == (32124, -32124, 0)


def test_speech_is_found_where_it_is() -> None:
    voice = g711.encode(int(sample * 32767) for sample in tone(8000, seconds=1.0))
    audio = g711.silence(0.5) + voice + g711.silence(0.2) + voice + g711.silence(1.0) + voice
    speech = find_speech(audio)
    assert [(round(one.start, 2), round(one.end, 2)) for one in speech] == [(0.5, 2.7), (3.7, 4.7)]
    quality = judge_audio(audio)
    assert quality.speech_seconds == pytest.approx(3.2)
    assert quality.longest_silence == pytest.approx(1.0)
    assert quality.clipped_share == 0
    assert judge_audio(g711.silence(1)).level_dbfs == -math.inf


def test_clipping_is_found() -> None:
    clipped = g711.encode(max(-32768, min(32767, int(sample * 90000))) for sample in tone(8000))
    assert judge_audio(clipped).clipped_share > 0.5


def test_frames_are_filled_up() -> None:
    assert (len(pad_to_frames(b"\0" * 161)), len(pad_to_frames(b"")), pad_to_frames(b"\0")[-1]) == (320, 0, 0xFF)
