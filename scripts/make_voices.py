"""Make the caller voices that ga-deploy ships, with eSpeak NG as the package `espeakng-loader` brings it.

    pip install espeakng-loader && python scripts/make_voices.py

Reads `ga_deploy/simulate/voices/voices.json` (name, accent, eSpeak voice, text; `spelled` where a voice of another
language has to be shown how English sounds to it) and writes a µ-law WAV for each beside it. Only needed when that list
changes; the WAVs are committed, so that nobody else needs a synthesiser.
"""

from __future__ import annotations

import ctypes
import json
import struct
from array import array
from pathlib import Path

import espeakng_loader

from ga_deploy import g711
from ga_deploy.simulate.media.audio import find_speech, resample

VOICES = Path(__file__).parents[1] / "ga_deploy" / "simulate" / "voices"
_RETRIEVE, _UTF8, _RATE, _PEAK_DBFS = 1, 1, 1, -3.0
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Synthesiser:
    """eSpeak NG through its C interface (speak_lib.h), samples handed back instead of played."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(Path(espeakng_loader.get_data_path())).encode()
        self.rate: int = self._library.espeak_Initialize(_RETRIEVE, 500, data, 0)
        self._samples = array("h")
        # Kept, or it would be collected while the library still calls it.
        self._callback = _Callback(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if samples and count:
            self._samples.extend(samples[:count])
        return 0

    def speak(self, text: str, voice: str, words_per_minute: int) -> array[int]:
        """Return 16-bit samples at `rate`."""
        self._samples = array("h")
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SystemExit(f"eSpeak NG has no voice {voice}")
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        content = text.encode()
        self._library.espeak_Synth(content, len(content) + 1, 0, 0, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return self._samples


def to_telephone(samples: array[int], rate: int) -> bytes:
    """Return µ-law at 8,000 Hz, the silence around the speech cut away, the loudest sample at -3 dB."""
    narrow = resample(samples, rate)
    scale = g711.FULL_SCALE * 10 ** (_PEAK_DBFS / 20) / max(map(abs, narrow))
    audio = g711.encode(int(sample * scale) for sample in narrow)
    speech = find_speech(audio)
    return audio[round(speech[0].start * g711.SAMPLE_RATE) : round(speech[-1].end * g711.SAMPLE_RATE)]


def wrap(audio: bytes) -> bytes:
    """Return µ-law as a WAV of that codec (7): half the size of 16-bit samples."""
    layout = struct.pack("<HHIIHHH", 7, 1, g711.SAMPLE_RATE, g711.SAMPLE_RATE, 1, 8, 0)
    padding = b"\0" * (len(audio) % 2)
    chunks = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout
    chunks += b"data" + struct.pack("<I", len(audio)) + audio + padding
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def main() -> None:
    """Write every voice of the list."""
    synthesiser = Synthesiser()
    for voice in json.loads((VOICES / "voices.json").read_text(encoding="utf-8")):
        samples = synthesiser.speak(
            voice.get("spelled", voice["text"]), voice["espeak"], voice.get("words_per_minute", 165)
        )
        audio = to_telephone(samples, synthesiser.rate)
        (VOICES / f"{voice['name']}.wav").write_bytes(wrap(audio))


if __name__ == "__main__":
    main()
