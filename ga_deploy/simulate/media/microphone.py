"""A person at this machine as the caller: microphone and loudspeaker through the package `sounddevice`."""

from __future__ import annotations

import importlib
from array import array
from collections import deque
from typing import TYPE_CHECKING, Any

from ga_deploy import g711
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from types import TracebackType

_QUIET = bytes([g711.SILENCE]) * g711.FRAME_BYTES
# Half a second each way. More is dropped, so that the conversation does not fall behind.
_MOST_FRAMES = 25


class Microphone:
    """A `Person` for `run_stream`; open while used as a context. In real time only.

    Raises DeployError when `sounddevice` is not installed or there is no usable device.
    """

    def __init__(self) -> None:
        try:
            self._sounddevice = importlib.import_module("sounddevice")
        except (ImportError, OSError) as error:
            raise DeployError(
                "the microphone cannot be used",
                why=f"the package `sounddevice` or the PortAudio library that it needs is missing: {error}",
                fix="run `pip install sounddevice`, or pass a WAV file",
            ) from None
        self._said: deque[bytes] = deque(maxlen=_MOST_FRAMES)
        self._to_hear: deque[bytes] = deque(maxlen=_MOST_FRAMES)
        self._stream: Any = None

    def __enter__(self) -> Microphone:
        try:
            self._stream = self._sounddevice.RawStream(
                samplerate=g711.SAMPLE_RATE,
                blocksize=g711.FRAME_BYTES,
                channels=1,
                dtype="int16",
                callback=self._exchange,
            )
            self._stream.start()
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise DeployError(
                "the microphone cannot be used", why=str(error), fix="connect a microphone, or pass a WAV file"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.stop()
        self._stream.close()

    def speak(self) -> bytes:
        """Return the next 20 ms from the microphone; silence when there is none yet."""
        return self._said.popleft() if self._said else _QUIET

    def hear(self, frame: bytes) -> None:
        """Queue 20 ms for the loudspeaker."""
        self._to_hear.append(frame)

    def _exchange(self, recorded: Any, played: Any, _frames: int, _time: object, _status: object) -> None:
        # PortAudio calls this in a thread of its own. Adding to a deque and taking from it are thread-safe.
        self._said.append(g711.encode(array("h", bytes(recorded))))
        played[:] = g711.decode(self._to_hear.popleft() if self._to_hear else _QUIET).tobytes()
