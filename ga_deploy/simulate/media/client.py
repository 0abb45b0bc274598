"""Twilio's side of a media stream: opens the WebSocket, sends the caller's voice on time, plays what comes back.

True to Twilio's docs, Media Streams (WebSocket messages, `<Stream>`): 20 ms frames of µ-law on absolute deadlines,
sequence numbers, chunks and timestamps as strings, marks when playback has reached them, `clear`, `dtmf`, `stop`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from ga_deploy import g711
from ga_deploy.simulate.media.caller import AgentEar, Caller, Line
from ga_deploy.simulate.media.handshake import CODES, check_url, connect, trust
from ga_deploy.simulate.media.messages import Clear, Mark, Media, ProtocolBroken, read_server_message
from ga_deploy.simulate.media.playout import PlayoutBuffer
from ga_deploy.simulate.media.stream import (
    CallerVoice,
    Ending,
    Lateness,
    Person,
    RunningClock,
    StreamClock,
    StreamEvent,
    StreamOptions,
    StreamOutcome,
    StreamRequest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_AHEAD_SECONDS = 600.0
# Deadlines are put on a grid finer than a frame, so that many streams of one process wake it together.
_GRID = 0.005


async def run_stream(
    request: StreamRequest,
    voice: CallerVoice = CallerVoice(),  # noqa: B008 - frozen
    options: StreamOptions = StreamOptions(),  # noqa: B008 - frozen
    clock: StreamClock | None = None,
    on_start: Callable[[], None] = lambda: None,
    person: Person | None = None,
) -> StreamOutcome:
    """Open a stream, play the caller as `voice` describes, and return the outcome when the stream has ended.

    `on_start` is called once, when the server has accepted. With a `person`, that person speaks and hears; `voice` can
    still press keys and hang up. Raises nothing for what a server or the network does.
    """
    refusal = check_url(request.url)
    if refusal:
        return StreamOutcome(Ending.REFUSED, CODES[Ending.REFUSED], refusal)
    timeout = aiohttp.ClientTimeout(total=None, connect=options.connect_timeout, sock_connect=options.connect_timeout)
    try:
        connector = aiohttp.TCPConnector(ssl=trust() if request.url.startswith("wss:") else False)
    except OSError as problem:
        reason = f"the trusted certificates cannot be read: {problem.strerror or problem}"
        return StreamOutcome(Ending.UNREACHABLE, CODES[Ending.UNREACHABLE], reason)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        socket = await connect(session, request, options)
        if isinstance(socket, StreamOutcome):
            return socket
        on_start()
        stream = _Stream(socket, request, voice, options, clock or RunningClock(), person)
        return await stream.run()


class _Stream:
    """An open stream. `run` once."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        request: StreamRequest,
        voice: CallerVoice,
        options: StreamOptions,
        clock: StreamClock,
        person: Person | None,
    ) -> None:
        self._socket = socket
        self._request = request
        self._options = options
        self._clock = clock
        self._person = person
        self._buffer = PlayoutBuffer()
        self._ear = AgentEar()
        self._caller = Caller(voice, self._ear)
        self._line = Line(
            seed=options.seed, loss=options.loss, jitter_ms=options.jitter_ms, noise_dbfs=options.noise_dbfs
        )
        self._events: list[StreamEvent] = []
        self._heard, self._spoken = bytearray(), bytearray()
        self._lateness: list[float] = []
        self._sequence = 1
        self._chunks = 0
        self._received = 0
        self._ending: Ending | None = None
        self._reason = ""
        self._start = 0.0

    async def run(self) -> StreamOutcome:
        """Run the stream to its end."""
        # On a grid of the wall's clock, so that streams that began at different moments share their wake-ups.
        grid = _GRID * self._clock.speed
        self._start = (self._clock.now() // grid + 1) * grid
        listening = asyncio.ensure_future(self._listen())
        talking = asyncio.ensure_future(self._talk(listening))
        try:
            await self._watch(talking)
        finally:
            talking.cancel()
            # Read on for a second: a server that closed may have sent more, one that ignores our `stop` is left.
            _, still = await asyncio.wait([listening], timeout=1.0)
            if still:
                listening.cancel()
            await asyncio.wait([listening, talking])
            await self._socket.close()
        for task in (listening, talking):
            # A broken connection is part of the outcome. Any other error is a defect of ours and must be seen.
            if not task.cancelled() and not isinstance(task.exception(), ConnectionError):
                task.result()
        return self._sum_up()

    async def _watch(self, talking: asyncio.Future[None]) -> None:
        """Return when the caller has finished, or when nothing could be sent for `connect_timeout` seconds."""
        said = -1
        while not (await asyncio.wait([talking], timeout=self._options.connect_timeout))[0]:
            if len(self._spoken) == said:
                self._end(Ending.BROKEN, "the server stopped reading")
                return
            said = len(self._spoken)

    async def _greet(self) -> None:
        request = self._request
        await self._socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self._send(
            "start",
            start={
                "accountSid": request.account_sid,
                "streamSid": request.stream_sid,
                "callSid": request.call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": dict(request.parameters),
            },
        )
        self._note("connected")

    async def _talk(self, listening: asyncio.Future[None]) -> None:
        await self._greet()
        number = 0
        while not listening.done():
            at = number * g711.FRAME_SECONDS
            await self._clock.sleep_until(self._start + at)
            if listening.done():
                return
            if at >= self._options.max_seconds:
                await self._hang_up(Ending.TIME_UP)
                return
            playing = self._buffer.seconds > 0
            frame, marks = self._buffer.play()
            self._heard += frame
            self._ear.take(frame, at, playing=playing)
            await self._echo(marks)
            act = self._caller.act(at)
            if act.hang_up:
                await self._hang_up(Ending.CALLER_HUNG_UP)
                return
            if act.begins_to_speak:
                self._note("caller", "speaks")
                self._ear.speak_over(at)
            said = act.frame
            if self._person is not None:
                self._person.hear(frame)
                said = self._person.speak()
            self._spoken += said
            for one, arrived in self._line.carry(number, said, at):
                await self._send_media(one, arrived)
            if act.digit:
                self._note("dtmf", act.digit)
                await self._send("dtmf", dtmf={"track": "inbound_track", "digit": act.digit})
            self._lateness.append((self._clock.now() - self._start - at) / self._clock.speed * 1000)
            number += 1

    async def _send_media(self, number: int, frame: bytes) -> None:
        self._sequence += 1
        self._chunks += 1
        payload = base64.b64encode(frame).decode()
        # Written out, not encoded: this line runs ten thousand times a second in a load test.
        await self._socket.send_str(
            f'{{"event":"media","sequenceNumber":"{self._sequence}","media":{{"track":"inbound","chunk":"{self._chunks}",'
            f'"timestamp":"{number * 20}","payload":"{payload}"}},"streamSid":"{self._request.stream_sid}"}}'
        )

    async def _send(self, event: str, **content: Any) -> None:
        if event != "start":
            self._sequence += 1
        frame = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            **content,
            "streamSid": self._request.stream_sid,
        }
        await self._socket.send_str(json.dumps(frame))

    async def _echo(self, marks: list[str]) -> None:
        for name in marks:
            self._note("mark", name)
            await self._send("mark", mark={"name": name})

    async def _hang_up(self, ending: Ending) -> None:
        self._ending = ending
        self._note("hang-up")
        await self._send("stop", stop={"accountSid": self._request.account_sid, "callSid": self._request.call_sid})
        await self._socket.close()

    async def _listen(self) -> None:
        try:
            while True:
                received = await self._socket.receive()
                if received.type is aiohttp.WSMsgType.TEXT:
                    await self._take(received.data)
                elif received.type is aiohttp.WSMsgType.BINARY:
                    raise ProtocolBroken("a binary message")  # noqa: TRY301 - ended in one place
                elif received.type is aiohttp.WSMsgType.ERROR:
                    raise ProtocolBroken(f"what is no WebSocket frame: {received.data}")  # noqa: TRY301
                else:
                    break
        except ProtocolBroken as error:
            self._end(Ending.PROTOCOL, f"the server sent {error}")
            await self._socket.close(code=aiohttp.WSCloseCode.PROTOCOL_ERROR)
        except ConnectionError as error:
            self._end(Ending.BROKEN, f"the connection broke: {error}")
        else:
            self._note_close()

    def _note_close(self) -> None:
        code = self._socket.close_code
        if code in {None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE}:
            self._end(Ending.BROKEN, "the connection was cut without a close")
        else:
            self._end(Ending.SERVER_CLOSED, f"the server closed the stream ({code})")

    def _end(self, ending: Ending, reason: str) -> None:
        if self._ending is None:
            self._ending, self._reason = ending, reason
            self._note("close", reason)

    async def _take(self, text: str) -> None:
        match read_server_message(text, self._request.stream_sid):
            case Media(audio):
                self._received += 1
                self._buffer.add_audio(audio)
                if self._buffer.seconds > _MOST_AHEAD_SECONDS:
                    raise ProtocolBroken(f"more than {_MOST_AHEAD_SECONDS / 60:g} minutes of audio ahead")
            case Mark(name):
                await self._echo(self._buffer.add_mark(name))
            case Clear():
                self._note("clear", f"{self._buffer.seconds:.2f} s were not played")
                self._ear.cut()
                await self._echo(self._buffer.clear())

    def _note(self, kind: str, detail: str = "") -> None:
        self._events.append(StreamEvent(max(0.0, self._clock.now() - self._start), kind, detail))

    def _sum_up(self) -> StreamOutcome:
        self._ear.finish()
        ending = self._ending or Ending.BROKEN
        return StreamOutcome(
            ending=ending,
            code=CODES.get(ending),
            reason=self._reason,
            close_code=self._socket.close_code,
            duration=len(self._spoken) / g711.SAMPLE_RATE,
            heard=bytes(self._heard[: len(self._spoken)]),
            spoken=bytes(self._spoken),
            first_audio=self._ear.first_audio,
            barge_ins=tuple(self._ear.barge_ins),
            gaps=tuple(self._ear.gaps),
            events=tuple(sorted([*self._events, *self._ear.events], key=lambda event: event.at)),
            frames_sent=self._chunks,
            frames_received=self._received,
            lateness=Lateness.of(self._lateness),
        )
