"""The mock ASAPP as an integration meets it over HTTP, and its agent as `streamdouble` meets it over the WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import jsonschema
import pytest
from aiohttp import web
from streamdouble.scenario import Dtmf, Hangup, Say, Scenario, Wait, WaitFor
from streamdouble.session import Session, SessionConfig

from ga_deploy import g711
from ga_deploy.asapp_mock.script import SHIPPED
from ga_deploy.asapp_mock.server import MockAsapp
from ga_deploy.asapp_mock.voice import speak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamdouble.session import SessionResult

CREDENTIALS = {"asapp-api-id": "an-id", "asapp-api-secret": "a-secret"}
STREAM_URL = "/mg-genagent/v1/twilio-media-stream-url"
PARAMETERS = {"asapp_callTransferId": "CA1", "asapp_externalConversationId": "conversation-1"}

# Seconds of a guard that nothing should need: a busy machine takes its time, and the agent leaves long before.
AT_MOST = 300.0
UNTIL_THE_AGENT_LEAVES = Wait(AT_MOST)

# What an integration may rely on, in our own words (ASAPP docs: Errors; Get Call Transfer).
PROBLEM = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["requestId", "message"],
            "additionalProperties": False,
            "properties": {
                "requestId": {"minLength": 8},
                "message": {"minLength": 1},
                "code": {"pattern": r"^\d{3}-\d\d$"},
            },
        }
    },
}
VARIABLES = {"type": "object"}
TRANSFER = {
    "type": "object",
    "required": ["id", "externalConversationId", "status", "createdAt", "type"],
    "properties": {
        "status": {"enum": ["ACTIVE", "ONGOING", "COMPLETED", "EXPIRED"]},
        "type": {"enum": ["PHONE_NUMBER", "SIP"]},
        "createdAt": {"pattern": r"^\d{4}-\d\d-\d\dT[\d:.]+Z$"},
        "inputContext": {"properties": {"inputVariables": {"additionalProperties": {"type": "string"}}}},
        "outputContext": {
            "type": "object",
            "properties": {
                "transferType": {"enum": ["AGENT", "SYSTEM"]},
                "currentTaskName": {"type": "string"},
                "referenceVariables": VARIABLES,
                "transferVariables": VARIABLES,
            },
            "additionalProperties": False,
        },
    },
}
MESSAGES = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {
            "items": {
                "required": ["text", "sender", "messageId", "createdTimestamp", "clientTimestamp"],
                "properties": {"sender": {"properties": {"role": {"enum": ["agent", "customer", "system"]}}}},
            }
        }
    },
}


class Integration:
    """A client of one running mock, and the event loop both live in."""

    def __init__(self, mock: MockAsapp, base_url: str, runner: asyncio.Runner) -> None:
        self.mock = mock
        self.base_url = base_url
        self.runner = runner

    def ask(self, path: str, method: str = "GET", headers: Any = None, **kwargs: Any) -> tuple[int, str]:
        async def send() -> tuple[int, str]:
            async with (
                aiohttp.ClientSession(headers=CREDENTIALS if headers is None else headers) as session,
                session.request(method, self.base_url + path, **kwargs) as response,
            ):
                return response.status, await response.text()

        return self.runner.run(send())

    def get(self, path: str) -> Any:
        status, text = self.ask(path)
        assert status == 200, text
        return json.loads(text)

    def stream_url(self) -> str:
        return str(self.get(STREAM_URL)["streamingUrl"])

    def wait_until(self, is_met: Callable[[], bool]) -> None:
        """Wait for a condition, however long it takes; what ends a test that waits in vain is pytest's limit."""
        while not is_met():
            self.runner.run(asyncio.sleep(0.02))

    def call(self, *steps: Any, **parameters: str) -> SessionResult:
        """A call by the independent client, ending with the steps or with the agent, whatever comes first."""
        config = SessionConfig(
            custom_parameters=PARAMETERS | parameters, quiet_period_s=0.3, response_timeout_s=1.5, max_drain_s=1.0
        )
        session = Session(self.stream_url(), scenario=Scenario("call", list(steps)), config=config)
        return self.runner.run(session.run())


@pytest.fixture
def asapp() -> Iterator[Integration]:
    with asyncio.Runner() as runner:
        mock = MockAsapp("an-id", "a-secret")
        yield Integration(mock, runner.run(mock.start()), runner)
        runner.run(mock.stop())


def frames(audio: bytes) -> list[bytes]:
    return [audio[at : at + 160] for at in range(0, len(audio), 160)]


def say(seconds: float) -> Say:
    words = speak("I would like to talk about my bill please")
    return Say("caller.wav", frames((words * 3)[: int(seconds * 50) * 160]))


@pytest.mark.parametrize("path", ["/v1/health", STREAM_URL, "/generativeagent/v1/call-transfers/CA1"])
@pytest.mark.parametrize("headers", [{}, CREDENTIALS | {"asapp-api-secret": "x"}, {"asapp-api-id": "an-id"}])
def test_both_headers_are_needed(asapp: Integration, path: str, headers: dict[str, str]) -> None:
    first, second = (asapp.ask(path, headers=headers) for _ in range(2))
    assert first[0] == 401
    problems = [json.loads(text) for _, text in (first, second)]
    for problem in problems:
        jsonschema.validate(problem, PROBLEM)
    assert problems[0]["error"]["requestId"] != problems[1]["error"]["requestId"]


def test_health(asapp: Integration) -> None:
    assert asapp.get("/v1/health") == {"healthCheck": "SUCCESS"}


def test_the_stream_url_carries_a_token_in_its_path(asapp: Integration) -> None:
    before = int(time.time())
    url = asapp.stream_url()
    after = time.time()
    token = url.rsplit("/", 1)[1]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert url.startswith(asapp.base_url.replace("http", "ws") + "/mg-twilio-genagent/twilio-media/ey")
    assert before + 300 <= claims["exp"] <= after + 300
    assert asapp.ask(f"{STREAM_URL}?voiceAgentMode=s2s")[0] == 200
    assert asapp.ask(f"{STREAM_URL}?voiceAgentMode=fast")[0] == 400


@pytest.mark.parametrize(
    "path", ["/v1/health", STREAM_URL, "/_mock/calls", "/mg-twilio-genagent/twilio-media/ey", "/no"]
)
def test_a_web_page_is_refused(asapp: Integration, path: str) -> None:
    for page in ({"Origin": "https://attacker.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert asapp.ask(path, headers={**CREDENTIALS, **page})[0] == 403
    rebound = {**CREDENTIALS, "Host": "attacker.example", "Origin": "http://attacker.example"}
    assert asapp.ask(path, headers=rebound)[0] == 421


def test_mounted_below_a_path_everything_stays_below_it() -> None:
    async def fetch() -> str:
        mock = MockAsapp("an-id", "a-secret")
        outer = web.Application()
        outer.add_subapp("/asapp", mock.app)
        runner = web.AppRunner(outer)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(headers=CREDENTIALS) as session:
            async with session.get(f"http://127.0.0.1:{port}/asapp{STREAM_URL}") as response:
                url = str((await response.json())["streamingUrl"])
            async with session.ws_connect(url):
                pass
        await runner.cleanup()
        return url

    assert "/asapp/mg-twilio-genagent/" in asyncio.run(fetch())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("endpoint", ["health", "stream-url", "call-transfer", "state", "messages"])
def test_every_endpoint_can_be_made_to_fail_once(asapp: Integration, endpoint: str, status: int) -> None:
    path = {
        "health": "/v1/health",
        "stream-url": STREAM_URL,
        "call-transfer": "/generativeagent/v1/call-transfers/none",
        "state": "/generativeagent/v1/state?externalId=none",
        "messages": "/conversation/v1/conversation/messages?externalId=none",
    }[endpoint]
    usual = asapp.ask(path)[0]
    assert asapp.ask("/_mock/faults", "POST", json={"endpoint": endpoint, "status": status, "times": 1})[0] == 204
    failed, text = asapp.ask(path)
    jsonschema.validate(json.loads(text), PROBLEM)
    assert (failed, asapp.ask(path)[0]) == (status, usual)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("empty", ""),
        ("no-url", "{}"),
        ("not-json", "<html>Bad gateway</html>"),
        ("failed", '{"healthCheck": "FAILED"}'),
    ],
)
def test_spoiled_bodies(asapp: Integration, body: str, expected: str) -> None:
    asapp.ask("/_mock/faults", "POST", json={"endpoint": "stream-url", "body": body})
    assert [asapp.ask(STREAM_URL), asapp.ask(STREAM_URL)] == [(200, expected)] * 2
    assert asapp.ask("/_mock/faults?endpoint=stream-url", "DELETE")[0] == 204
    assert "streamingUrl" in asapp.get(STREAM_URL)


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"endpoint": "nothing"},
        {"endpoint": "health", "x": 1},
        {"endpoint": "health", "status": "x"},
        ["health"],
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(asapp: Integration, fault: Any) -> None:
    assert asapp.ask("/_mock/faults", "POST", json=fault)[0] == 400
    assert asapp.get("/_mock/faults") == []


def test_slow_and_hanging(asapp: Integration) -> None:
    asapp.ask("/_mock/faults", "POST", json={"endpoint": "health", "latency_ms": 300, "times": 1})
    begun = time.perf_counter()
    assert asapp.get("/v1/health") == {"healthCheck": "SUCCESS"}
    assert time.perf_counter() - begun >= 0.3
    asapp.ask("/_mock/faults", "POST", json={"endpoint": "health", "hang": True})
    with pytest.raises(TimeoutError):
        asapp.ask("/v1/health", timeout=aiohttp.ClientTimeout(total=0.3))


@pytest.mark.parametrize("body", ["expired-token", "unknown-token"])
def test_a_bad_token_is_refused_at_the_handshake(asapp: Integration, body: str) -> None:
    asapp.ask("/_mock/faults", "POST", json={"endpoint": "stream-url", "body": body, "times": 1})
    url = asapp.stream_url()

    async def connect() -> int:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
            return refused.value.status

    assert asapp.runner.run(connect()) == 401


def test_streamdouble_hears_the_greeting_and_gets_to_an_agent(asapp: Integration) -> None:
    assert asapp.ask("/generativeagent/v1/call-transfers/CA1")[0] == 404
    asapp.ask(
        "/_mock/scripts", "POST", json={"script": {"steps": [{"say": "Hello."}, {"listen": 1}], "ending": "AGENT"}}
    )
    result = asapp.call(WaitFor("mark", AT_MOST), say(0.5), UNTIL_THE_AGENT_LEAVES, campaign="none")
    assert (result.violations, result.unknown_events, result.marks_echoed) == ([], [], ["step-0"])
    assert (result.closed_early, result.closed_by) == (True, "agent")
    assert result.audio_received == speak("Hello.")
    assert sum(map(g711.is_loud, frames(result.audio_received))) > 10
    transfer = asapp.get("/generativeagent/v1/call-transfers/CA1")
    jsonschema.validate(transfer, TRANSFER)
    assert (transfer["status"], transfer["outputContext"]["transferType"]) == ("COMPLETED", "AGENT")
    assert transfer["inputContext"] == {"inputVariables": {"campaign": "none"}}
    call = asapp.get("/_mock/calls")[0]
    assert call["framesHeard"] > 20
    assert call["speechFramesHeard"] > 10
    messages = asapp.get("/conversation/v1/conversation/messages?externalId=conversation-1")
    jsonschema.validate(messages, MESSAGES)
    assert [item["text"] for item in messages["items"]] == ["Hello."]
    state = asapp.get("/generativeagent/v1/state?externalId=conversation-1")
    assert state["state"] == "transferredToAgent"
    assert not any(
        "ey" in str(request.values()) for request in asapp.get("/_mock/requests") if request["endpoint"] == "stream"
    )


def test_streamdouble_interrupts(asapp: Integration) -> None:
    script = {
        "steps": [{"say": "This takes quite some time to say, so you may want to interrupt me."}],
        "ending": "SYSTEM",
    }
    asapp.ask("/_mock/scripts", "POST", json={"script": script})
    result = asapp.call(
        WaitFor("audio", AT_MOST), Wait(0.2), say(0.4), WaitFor("clear", AT_MOST), UNTIL_THE_AGENT_LEAVES
    )
    assert (result.violations, result.unknown_events, result.clears_received) == ([], [], 1)
    assert asapp.get("/_mock/calls")[0]["interruptions"] == 1
    assert asapp.get("/generativeagent/v1/call-transfers/CA1")["outputContext"]["transferType"] == "SYSTEM"


def test_streamdouble_presses_keys(asapp: Integration) -> None:
    asapp.ask("/_mock/scripts", "POST", json={"script": {"steps": [{"listen": 3600, "digits": 4}], "ending": "SYSTEM"}})
    result = asapp.call(Dtmf("12#4"), UNTIL_THE_AGENT_LEAVES)
    assert result.closed_by == "agent", "it did not wait for its hour"
    assert asapp.get("/_mock/calls")[0]["digits"] == "12#4"


@pytest.mark.parametrize(("after_hang_up", "status"), [("404", 404), ("ONGOING", 200)])
def test_after_a_hang_up_there_is_no_result(asapp: Integration, after_hang_up: str, status: int) -> None:
    script = {"steps": [{"listen": 60}], "report": {"after_hang_up": after_hang_up}}
    asapp.ask("/_mock/scripts", "POST", json={"script": script})
    asapp.call(Wait(0.1))
    answered, text = asapp.ask("/generativeagent/v1/call-transfers/CA1")
    assert answered == status
    assert answered == 404 or json.loads(text)["status"] == "ONGOING"
    assert asapp.get("/_mock/calls")[0]["endedBy"] == "caller"


@pytest.mark.parametrize(
    ("script", "closed_by", "status", "kind"),
    [
        ({"ending": "COMPLETED"}, "agent", "COMPLETED", None),
        ({"ending": "SYSTEM", "report": {"status": "completed"}}, "agent", "completed", "SYSTEM"),
        ({"ending": "AGENT", "report": {"status": "EXPIRED"}}, "agent", "EXPIRED", None),
        ({"ending": "AGENT", "report": {"ongoing_ms": 3_600_000}}, "agent", "ONGOING", None),
        ({"ending": "AGENT", "report": {"with_output_context": False}}, "agent", "COMPLETED", None),
        ({"ending": "NO_RESULT"}, "agent", "ONGOING", None),
        ({"ending": "DROP"}, "agent", "ONGOING", None),
        ({"ending": "STAY", "drop_after": 0.2}, "agent", "ONGOING", None),
        ({"ending": "STAY"}, None, None, None),
    ],
)
def test_endings(asapp: Integration, script: Any, closed_by: str | None, status: str | None, kind: str | None) -> None:
    asapp.ask("/_mock/scripts", "POST", json={"script": script, "match": {"taskName": "t"}})
    result = asapp.call(UNTIL_THE_AGENT_LEAVES if closed_by else Wait(0.5), taskName="t")
    assert result.closed_by == closed_by
    if status is None:
        assert asapp.ask("/generativeagent/v1/call-transfers/CA1")[0] == 404
        return
    transfer = asapp.get("/generativeagent/v1/call-transfers/CA1")
    assert (transfer["status"], transfer.get("outputContext", {}).get("transferType")) == (status, kind)


@pytest.mark.parametrize("ongoing_ms", [300, 3_600_000])
def test_a_result_may_come_late_or_fail_first(asapp: Integration, ongoing_ms: int) -> None:
    report = {"ongoing_ms": ongoing_ms, "http_status": 503, "http_times": 1}
    asapp.ask("/_mock/scripts", "POST", json={"script": {"ending": "AGENT", "report": report}})
    begun = time.monotonic()
    asapp.call(UNTIL_THE_AGENT_LEAVES)
    path = "/generativeagent/v1/call-transfers/CA1"
    assert asapp.ask(path)[0] == 503
    if ongoing_ms == 300:
        asapp.wait_until(lambda: asapp.get(path)["status"] == "COMPLETED")
        assert time.monotonic() - begun >= 0.3
    else:
        assert asapp.get(path)["status"] == "ONGOING"


def test_a_further_stream_of_a_conversation_goes_on_where_it_broke(asapp: Integration) -> None:
    script = {"ending": "DROP", "then": {"ending": "SYSTEM"}}
    asapp.ask("/_mock/scripts", "POST", json={"script": script, "times": 1})
    asapp.call(UNTIL_THE_AGENT_LEAVES)
    asapp.call(UNTIL_THE_AGENT_LEAVES, asapp_callTransferId="CA1-2")
    assert asapp.get("/generativeagent/v1/call-transfers/CA1")["status"] == "ONGOING"
    assert asapp.get("/generativeagent/v1/call-transfers/CA1-2")["outputContext"]["transferType"] == "SYSTEM"


def test_a_call_picks_a_shipped_script_by_its_parameters(asapp: Integration) -> None:
    choose = asapp.mock.calls.choose
    assert choose({"ending": "system", "taskName": "completed"}) is SHIPPED["system"]
    assert choose({"taskName": "completed"}) is SHIPPED["completed"]
    assert choose({"taskName": "customer_support"}) is SHIPPED["agent"]
    asapp.ask("/_mock/scripts", "POST", json={"script": "late", "match": {"taskName": "completed"}})
    assert choose({"taskName": "completed"}) is SHIPPED["late"]
    asapp.ask("/_mock/reset", "POST")
    assert choose({"taskName": "completed"}) is SHIPPED["completed"]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"script": "nobody"},
        {"script": {"ending": "BAD"}},
        {"script": {"steps": [{"x": 1}]}},
        {"script": {"x": 1}},
    ],
)
def test_a_script_that_makes_no_sense_is_refused(asapp: Integration, rule: Any) -> None:
    assert asapp.ask("/_mock/scripts", "POST", json=rule)[0] == 400


def test_what_is_no_media_stream_ends_only_itself(asapp: Integration) -> None:
    async def misbehave() -> None:
        async with aiohttp.ClientSession() as session:
            for text in ("not json", "[]", '{"event": "start"}', '{"event": "start", "start": {}}'):
                async with session.ws_connect(url) as socket:
                    await socket.send_str(text)
                    await socket.receive()

    url = asapp.stream_url()
    asapp.runner.run(misbehave())
    assert asapp.get("/v1/health") == {"healthCheck": "SUCCESS"}


def test_an_abrupt_end_is_no_hang_up(asapp: Integration) -> None:
    asapp.ask("/_mock/scripts", "POST", json={"script": "stay"})
    asapp.call(Wait(0.1), Hangup())
    asapp.wait_until(lambda: asapp.get("/_mock/calls")[0]["endedBy"] is not None)
    assert asapp.get("/_mock/calls")[0]["endedBy"] == "broken"
