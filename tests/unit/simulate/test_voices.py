"""The caller voices that come along, and those that users bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ga_deploy.errors import DeployError
from ga_deploy.simulate.media.audio import WavUnusable, find_speech, judge_audio, write_wav
from ga_deploy.simulate.voices import ShippedVoice, list_voices, read_voice

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("voice", list_voices(), ids=lambda voice: voice.name)
def test_every_shipped_voice_speaks_at_a_telephones_level(voice: ShippedVoice, tmp_path: Path) -> None:
    audio = read_voice(voice.name, tmp_path)
    quality = judge_audio(audio)
    assert quality.speech_seconds > 0.04 * len(voice.text)
    assert -26 < quality.level_dbfs < -14
    assert quality.clipped_share == 0
    assert find_speech(audio)[0].start == 0, "a caller who hesitates is a scenario's choice"


def test_the_set_is_varied_and_small() -> None:
    voices = list_voices()
    assert len({voice.accent for voice in voices}) >= 8
    assert {voice.language for voice in voices} == {"en", "es"}
    assert len({voice.name for voice in voices}) == len(voices)
    assert sum(voice.path.stat().st_size for voice in voices) < 300_000


def test_a_wav_of_the_users_own_is_looked_for_beside_the_scenario(tmp_path: Path) -> None:
    write_wav(tmp_path / "mine.wav", b"\x80\x00" * 800)
    assert read_voice("mine.wav", tmp_path) == read_voice(str(tmp_path / "mine.wav"), tmp_path / "elsewhere")
    with pytest.raises(WavUnusable, match=r"none\.wav"):
        read_voice("none.wav", tmp_path)


def test_an_unknown_voice_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="no caller's voice") as refused:
        read_voice("us-womann", tmp_path)
    assert refused.value.fix == "did you mean `us-woman`?"
    with pytest.raises(DeployError) as refused:
        read_voice("?", tmp_path)
    assert "us-man" in refused.value.why
