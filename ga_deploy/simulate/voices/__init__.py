"""Caller voices: a small labelled set that comes along, and any WAV.

The set was made by `scripts/make_voices.py` with eSpeak NG; `voices.json` says who speaks how and what.
"""

from __future__ import annotations

import contextlib
import difflib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ga_deploy.errors import DeployError
from ga_deploy.simulate.media.audio import read_wav

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class ShippedVoice:
    """A voice of the set: `accent` as people call it, `language` a code, `text` what it says."""

    name: str
    accent: str
    language: str
    text: str
    path: Path


@cache
def list_voices() -> tuple[ShippedVoice, ...]:
    """Return the voices that come along."""
    entries = json.loads((_FOLDER / "voices.json").read_text(encoding="utf-8"))
    return tuple(
        ShippedVoice(one["name"], one["accent"], one["language"], one["text"], _FOLDER / f"{one['name']}.wav")
        for one in entries
    )


def read_voice(name: str, base: Path) -> bytes:
    """Return a shipped voice, or a WAV (relative to the folder `base`), as µ-law.

    Raises DeployError for a name that is neither, WavUnusable for a file that cannot be played.
    """
    shipped = {voice.name: voice.path for voice in list_voices()}
    if name in shipped:
        return _read(shipped[name])
    file = base / Path(name).expanduser()
    with contextlib.suppress(OSError):  # of a name that no file can have
        if file.suffix.lower() == ".wav" or file.exists():
            return read_wav(file)
    near = difflib.get_close_matches(name, shipped, n=1)
    raise DeployError(
        f"there is no caller's voice `{name}`",
        why=f"it is neither a WAV nor one of {', '.join(shipped)}",
        fix=f"did you mean `{near[0]}`?" if near else "name one of those, or a WAV",
    )


@cache
def _read(path: Path) -> bytes:
    return read_wav(path)
