"""The media-stream client against the mock agent, a server of another make, and servers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import time
import wave
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from streamdouble.protocol import InboundMedia, MediaStreamEncoder, StreamIdentity, parse_outbound
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import serve

from ga_deploy.asapp_mock.script import Ending as AgentEnding
from ga_deploy.asapp_mock.script import Listen, Pause, Report, Say, Script, Step
from ga_deploy.asapp_mock.server import MockAsapp
from ga_deploy.asapp_mock.voice import speak
from ga_deploy.redact import Secret
from ga_deploy.simulate.media.client import run_stream
from ga_deploy.simulate.media.stream import (
    CallerVoice,
    Ending,
    RunningClock,
    SteppedClock,
    StreamClock,
    StreamOptions,
    StreamOutcome,
    StreamRequest,
    Turn,
    When,
)
from ga_deploy.simulate.scenario.stream_opener import record_leg
from tests.emulated.proxy import PrivateCa

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection

STREAM_SID, CALL_SID, ACCOUNT_SID = "MZ" + "1" * 32, "CA" + "2" * 32, "AC" + "3" * 32
SPEED = 20.0
WORDS = speak("my bill is wrong")
LISTENER = CallerVoice()
PATIENT = StreamOptions(max_seconds=20)


def order(url: str, parameters: dict[str, str] | None = None, token: Secret | None = None) -> StreamRequest:
    return StreamRequest(url, CALL_SID, ACCOUNT_SID, STREAM_SID, parameters or {"asapp_callTransferId": "T1"}, token)


def pace(speed: float) -> StreamClock:
    return RunningClock() if speed == 1 else SteppedClock(speed)


def call_mock(
    steps: tuple[Step, ...] = (Say("Hello."),),
    voice: CallerVoice = LISTENER,
    ending: AgentEnding = AgentEnding.AGENT,
    *,
    speed: float = SPEED,
    options: StreamOptions = PATIENT,
    **script: Any,
) -> tuple[StreamOutcome, dict[str, Any]]:
    """One stream to a mock agent with this script; what the client saw and what the agent saw."""

    async def run() -> tuple[StreamOutcome, dict[str, Any]]:
        mock = MockAsapp("id", "secret", script=Script("test", steps, ending, Report(), **script))
        base_url = await mock.start()
        headers = {"asapp-api-id": "id", "asapp-api-secret": "secret"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{base_url}/mg-genagent/v1/twilio-media-stream-url") as response,
        ):
            url = (await response.json())["streamingUrl"]
        outcome = await run_stream(order(url), voice, options, pace(speed))
        await asyncio.sleep(0.05)
        seen = mock.calls.all()[0].describe()
        await mock.stop()
        return outcome, seen

    return asyncio.run(run())


@asynccontextmanager
async def serving(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.2) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/media"


def call(
    handler: Callable[[ServerConnection], Awaitable[None]],
    voice: CallerVoice = LISTENER,
    options: StreamOptions = PATIENT,
    speed: float = SPEED,
) -> StreamOutcome:
    async def run() -> StreamOutcome:
        async with serving(handler) as url:
            return await run_stream(order(url), voice, options, pace(speed))

    return asyncio.run(run())


def test_a_whole_conversation_with_the_mock_agent() -> None:
    voice = CallerVoice((Turn(When.AGENT_DONE, 0.4, audio=WORDS, text="my bill is wrong"),))
    outcome, seen = call_mock((Say("Hello, how can I help?"), Listen(5), Say("I see.")), voice)
    assert (outcome.ending, outcome.code, outcome.close_code) == (Ending.SERVER_CLOSED, 31921, 1000)
    assert speak("Hello, how can I help?") in outcome.heard
    assert speak("I see.") in outcome.heard
    assert WORDS in outcome.spoken
    assert len(outcome.heard) == len(outcome.spoken) == round(outcome.duration * 8000)
    assert outcome.frames_sent >= seen["framesHeard"] > len(outcome.spoken) // 160 - 25
    assert seen["speechFramesHeard"] > 20
    assert (outcome.first_audio or 0) < 0.5
    assert outcome.gaps == ()
    assert [event.kind for event in outcome.events if event.kind in {"mark", "caller", "close"}] == [
        "mark", "caller", "mark", "close",
    ]  # fmt: skip


def test_in_real_time_frames_are_on_time(tmp_path: Path) -> None:
    outcome, _ = call_mock((Say("Hello."),), speed=1.0, options=StreamOptions())
    assert outcome.lateness.frames == outcome.frames_sent
    assert 0 <= outcome.lateness.p50_ms <= outcome.lateness.p99_ms <= outcome.lateness.worst_ms
    leg = record_leg(outcome, tmp_path / "calls" / "call.wav", real_time=True)
    with wave.open(str(tmp_path / "calls" / "call.wav")) as recording:
        assert recording.getnchannels() == 2
        assert recording.getnframes() == len(outcome.heard)
    assert leg.recording
    assert not leg.problems
    (tmp_path / "file").touch()
    lost = record_leg(outcome, tmp_path / "file" / "call.wav", real_time=True)
    assert [problem.partition(":")[0] for problem in lost.problems] == [
        f"the recording {tmp_path / 'file' / 'call.wav'} could not be written"
    ]
    assert (lost.agent, lost.recording) == (leg.agent, None)


def test_a_tester_that_is_late_says_so() -> None:
    class Clumsy:
        """Somebody whose loudspeaker blocks once."""

        turns = 0

        def speak(self) -> bytes:
            return WORDS[:160]

        def hear(self, _: bytes) -> None:
            self.turns += 1
            if self.turns == 10:
                time.sleep(0.15)

    async def run() -> StreamOutcome:
        async with serving(echo) as url:
            return await run_stream(order(url), LISTENER, StreamOptions(max_seconds=0.6), person=Clumsy())

    outcome = asyncio.run(run())
    assert outcome.lateness.worst_ms >= 100
    assert outcome.duration == 0.6, "late, but complete"


def test_a_barge_in_silences_the_agent() -> None:
    voice = CallerVoice((Turn(When.AGENT_SPEAKS, 1.0, audio=WORDS),))
    long = Say("This takes quite some time to say, so you may want to interrupt me at any moment.")
    outcome, seen = call_mock((long, Listen(2)), voice)
    assert seen["interruptions"] == 1
    (barge_in,) = outcome.barge_ins
    assert barge_in.at == pytest.approx(1.0, abs=0.15)
    assert 0 < (barge_in.silent_after or 99) < 1.0
    deaf, _ = call_mock((Say(long.text, interruptible=False),), voice)
    assert (deaf.barge_ins[0].silent_after or 99) > 1.5


def test_keys_reach_the_agent() -> None:
    voice = CallerVoice((Turn(When.TIME, 0.2, digits="12w#"),))
    outcome, seen = call_mock((Listen(60, digits=3),), voice, options=StreamOptions(max_seconds=90))
    assert seen["digits"] == "12#"
    assert outcome.duration < 30


def test_the_caller_hangs_up() -> None:
    outcome, seen = call_mock((Pause(60),), CallerVoice((Turn(When.TIME, 0.4, hang_up=True),)))
    assert (outcome.ending, outcome.code, seen["endedBy"]) == (Ending.CALLER_HUNG_UP, None, "caller")
    assert outcome.duration == pytest.approx(0.4, abs=0.05)


def test_a_call_does_not_last_for_ever() -> None:
    outcome, seen = call_mock((Pause(60),), options=StreamOptions(max_seconds=1.0))
    assert (outcome.ending, outcome.duration, seen["endedBy"]) == (Ending.TIME_UP, 1.0, "caller")


def test_a_connection_that_breaks() -> None:
    outcome, _ = call_mock((Pause(60),), drop_after=0.5)
    assert (outcome.ending, outcome.code) == (Ending.BROKEN, 31903)


def test_a_message_that_twilio_does_not_know() -> None:
    outcome, _ = call_mock(garbage=True)
    assert (outcome.ending, outcome.code) == (Ending.PROTOCOL, 31924)
    assert "`speak`" in outcome.reason


def test_a_bad_line_loses_frames_but_no_time() -> None:
    options = StreamOptions(seed=7, loss=0.25, jitter_ms=80, noise_dbfs=-45, max_seconds=4)
    outcome, seen = call_mock((Pause(60),), options=options)
    assert outcome.duration == 4.0
    assert 120 < outcome.frames_sent < 180
    assert seen["framesHeard"] == outcome.frames_sent


async def echo(connection: ServerConnection) -> None:
    async for text in connection:
        message = json.loads(text)
        if message["event"] == "media":
            media = {"event": "media", "streamSid": STREAM_SID, "media": {"payload": message["media"]["payload"]}}
            await connection.send(json.dumps(media))
            if int(message["media"]["chunk"]) % 25 == 0:
                name = f"after {message['media']['chunk']}"
                await connection.send(json.dumps({"event": "mark", "streamSid": STREAM_SID, "mark": {"name": name}}))
        elif message["event"] == "stop":
            await connection.close()


def test_every_message_is_what_another_reading_of_the_protocol_sends() -> None:
    """`websockets` serves, and streamdouble's encoder, fed the same call, has to come to the same messages."""
    received: list[dict[str, Any]] = []

    async def handler(connection: ServerConnection) -> None:
        async def tee() -> AsyncIterator[str | bytes]:
            async for text in connection:
                received.append(json.loads(text))
                yield text

        class Tapped:
            def __aiter__(self) -> AsyncIterator[str | bytes]:
                return tee()

            send = staticmethod(connection.send)
            close = staticmethod(connection.close)

        await echo(Tapped())  # type: ignore[arg-type]

    voice = CallerVoice(
        (Turn(When.TIME, 0.1, audio=WORDS), Turn(When.TIME, 0.1, digits="5"), Turn(When.TIME, 0.5, hang_up=True))
    )
    outcome = call(handler, voice)
    encoder = MediaStreamEncoder(StreamIdentity(STREAM_SID, ACCOUNT_SID, CALL_SID))
    expected = []
    for message in received:
        match message["event"]:
            case "connected":
                expected.append(encoder.connected())
            case "start":
                expected.append(encoder.start(custom_parameters={"asapp_callTransferId": "T1"}))
            case "media":
                payload = parse_outbound(json.dumps({**message, "event": "media"}))
                assert isinstance(payload, InboundMedia)
                expected.append(encoder.media(payload.payload))
            case "dtmf":
                expected.append(encoder.dtmf("5"))
            case "mark":
                expected.append(encoder.mark(message["mark"]["name"]))
            case _:
                expected.append(encoder.stop())
    assert received == expected
    assert [message["event"] for message in received[:3]] == ["connected", "start", "media"]
    assert received[-1]["event"] == "stop"
    assert {"dtmf", "mark"} <= {message["event"] for message in received}
    assert outcome.ending is Ending.CALLER_HUNG_UP


def cut(audio: bytes) -> list[bytes]:
    """The frames that hold anything."""
    frames = (audio[at : at + 160] for at in range(0, len(audio), 160))
    return [frame for frame in frames if frame != b"\xff" * 160]


def test_what_an_echo_server_sends_back_is_what_the_caller_said() -> None:
    voice = CallerVoice((Turn(When.TIME, 0.1, audio=WORDS), Turn(When.TIME, 1.0, hang_up=True)))
    outcome = call(echo, voice)
    assert cut(outcome.heard) == cut(outcome.spoken) == cut(WORDS)
    marks = [event for event in outcome.events if event.kind == "mark"]
    assert [event.detail for event in marks][:2] == ["after 25", "after 50"]


def send_and_wait(*messages: str | bytes) -> Callable[[ServerConnection], Awaitable[None]]:
    async def handler(connection: ServerConnection) -> None:
        async for text in connection:
            if json.loads(text)["event"] == "start":
                break
        for message in messages:
            await connection.send(message)
        await connection.wait_closed()

    return handler


MEDIA = {"event": "media", "streamSid": STREAM_SID}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\xff\xff", "binary"),
        ("hello", "no JSON"),
        ("[]", "no JSON"),
        ("{}", "no JSON"),
        (json.dumps({"event": "hello"}), "`hello`"),
        (json.dumps({**MEDIA, "media": {}}), "payload"),
        (json.dumps({**MEDIA, "media": {"payload": "*not base64*"}}), "base64"),
        (json.dumps({**MEDIA, "media": {"payload": 7}}), "payload"),
        (json.dumps({**MEDIA, "streamSid": "MZ9", "media": {"payload": ""}}), "another stream"),
        (json.dumps({"event": "mark", "streamSid": STREAM_SID}), "without a name"),
    ],
)
def test_what_breaks_the_protocol_ends_the_stream(message: str | bytes, said: str) -> None:
    outcome = call(send_and_wait(message))
    assert (outcome.ending, outcome.code) == (Ending.PROTOCOL, 31924)
    assert said in outcome.reason


def test_a_frame_that_is_no_websocket_frame() -> None:
    async def handler(connection: ServerConnection) -> None:
        connection.transport.write(b"\xf3\x7f" + b"\0" * 8)
        await asyncio.sleep(1)

    assert call(handler).ending is Ending.PROTOCOL


def test_audio_that_trickles_is_heard_with_gaps() -> None:
    async def handler(connection: ServerConnection) -> None:
        payload = json.dumps({**MEDIA, "media": {"payload": base64.b64encode(b"\x80\x00" * 240).decode()}})
        for _ in range(6):
            await connection.send(payload)
            await asyncio.sleep(0.16)

    outcome = call(handler, speed=1.0)
    assert len(outcome.gaps) >= 3
    assert all(0.02 < length < 0.3 for _, length in outcome.gaps)


def test_the_upgrade_is_signed_as_twilio_does() -> None:
    seen: list[tuple[str, str | None]] = []

    async def run() -> None:
        async def handler(connection: ServerConnection) -> None:
            assert connection.request is not None
            seen.append((connection.request.path, connection.request.headers.get("X-Twilio-Signature")))
            await connection.close()

        async with serving(handler) as url:
            await run_stream(order(url, token=Secret("a-token-to-sign-with")))
            await run_stream(order(url))
            seen.append((url, None))

    asyncio.run(run())
    url = seen.pop()[0]
    signature = RequestValidator("a-token-to-sign-with").compute_signature(url, {})
    assert seen == [("/media", signature), ("/media", None)]


def connect(url: str, **options: Any) -> StreamOutcome:
    return asyncio.run(run_stream(order(url), options=StreamOptions(**options)))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ws://example.com/media", "not wss"),
        ("https://example.com/media", "not wss"),
        ("wss:///media", "no host"),
        ("wss://example.com/media?token=1", "query string"),
        ("wss://[bad/media", "cannot be read"),
    ],
)
def test_urls_that_twilio_does_not_open(url: str, said: str) -> None:
    outcome = connect(url)
    assert (outcome.ending, outcome.code, outcome.opened) == (Ending.REFUSED, 31920, False)
    assert said in outcome.reason


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outcome = connect(f"ws://127.0.0.1:{port}/media")
    assert (outcome.ending, outcome.code, outcome.opened) == (Ending.UNREACHABLE, 31901, False)


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        outcome = connect(f"ws://127.0.0.1:{deaf.getsockname()[1]}/media", connect_timeout=0.2)
    assert (outcome.ending, outcome.reason) == (Ending.UNREACHABLE, "no answer within 0.2 s")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b""])
def test_a_handshake_that_is_not_one(answer: bytes) -> None:
    async def run() -> StreamOutcome:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server:
            return await run_stream(order(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/media"))

    outcome = asyncio.run(run())
    assert (outcome.ending, outcome.status) == (Ending.REFUSED, 403 if b"403" in answer else None)


def test_tls_is_checked_against_the_usual_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = PrivateCa(tmp_path)
    certificate = authority.issue("localhost", "127.0.0.1")

    async def run() -> StreamOutcome:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        mock = MockAsapp("id", "secret")
        base_url = await mock.start(ssl_context=context)
        outcome = await run_stream(order(base_url.replace("https", "wss") + "/mg-twilio-genagent/twilio-media/x"))
        await mock.stop()
        return outcome

    refused = asyncio.run(run())
    assert (refused.ending, refused.code) == (Ending.UNREACHABLE, 31901)
    assert "certificate" in refused.reason
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    let_in = asyncio.run(run())
    assert (let_in.ending, let_in.status) == (Ending.REFUSED, 401), "past TLS, the token is refused"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
    unread = asyncio.run(run())
    assert unread.ending == Ending.UNREACHABLE
    assert "trusted certificates cannot be read: No such file" in unread.reason


def test_a_server_that_stops_reading_is_given_up() -> None:
    class Hurry(SteppedClock):
        """As fast as the socket takes it."""

        async def sleep_until(self, moment: float) -> None:
            await asyncio.sleep(0)

    async def handler(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await given_up.wait()

    given_up = asyncio.Event()

    async def run() -> StreamOutcome:
        async with serving(handler) as url:
            options = StreamOptions(max_seconds=100_000, connect_timeout=0.4)
            outcome = await run_stream(order(url), LISTENER, options, Hurry(1.0))
            given_up.set()
            return outcome

    outcome = asyncio.run(run())
    assert (outcome.ending, outcome.reason) == (Ending.BROKEN, "the server stopped reading")
