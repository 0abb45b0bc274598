"""Twilio's playout buffer: the audio that the server sent and the caller has not heard yet.

Twilio docs, Media Streams: media is played in order, a mark comes back when all that was sent before it has been
played, `clear` empties the buffer and sends every mark that is still in it back at once.
"""

from __future__ import annotations

from collections import deque

from ga_deploy import g711


class PlayoutBuffer:
    """The server's messages fill it; `play` takes one frame (20 ms) at a time."""

    def __init__(self) -> None:
        self._waiting: deque[bytes | str] = deque()
        self._bytes = 0

    @property
    def seconds(self) -> float:
        """How much audio waits to be played."""
        return self._bytes / g711.SAMPLE_RATE

    def add_audio(self, audio: bytes) -> None:
        """Queue µ-law of any length."""
        if audio:
            self._waiting.append(audio)
            self._bytes += len(audio)

    def add_mark(self, name: str) -> list[str]:
        """Queue a mark. Return it at once if nothing is left to play before it."""
        if not self._waiting:
            return [name]
        self._waiting.append(name)
        return []

    def clear(self) -> list[str]:
        """Remove what has not been played, and return the marks in it."""
        marks = [entry for entry in self._waiting if isinstance(entry, str)]
        self._waiting.clear()
        self._bytes = 0
        return marks

    def play(self) -> tuple[bytes, list[str]]:
        """Return the next 20 ms, filled up with silence, and the marks that have been reached with it."""
        frame = bytearray()
        marks: list[str] = []
        while self._waiting:
            entry = self._waiting[0]
            if isinstance(entry, str):
                marks.append(entry)
                self._waiting.popleft()
            elif len(frame) == g711.FRAME_BYTES:
                break
            else:
                wanted = g711.FRAME_BYTES - len(frame)
                frame += entry[:wanted]
                self._waiting.popleft()
                if len(entry) > wanted:
                    self._waiting.appendleft(entry[wanted:])
        self._bytes -= len(frame)
        return bytes(frame).ljust(g711.FRAME_BYTES, bytes([g711.SILENCE])), marks
