"""Rendered functions in real Node, behind the gateway's rules, with an ASAPP that does as each test says.

Every answer that a test gets has been judged first: its status, its content type and, if it is TwiML, every verb,
attribute and nesting against `VOCABULARY`, which was written from Twilio's documentation and not from our code.
Longer than most: the whole bench of these tests.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree as ET

import pytest
import yaml

from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.emulator.functions.host import FunctionHost, Handler, HttpRequest, HttpResponse, sign
from ga_deploy.emulator.functions.npm import NodePackages
from ga_deploy.redact import Secret
from ga_deploy.render import render
from ga_deploy.simulate.interpreter.twiml import parse_twiml
from ga_deploy.twilio_rules.check import find_breaks

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.model.bundle import Bundle

ACCOUNT = "AC" + "0" * 32
MOST_HOSTS = 5  # each is a Node process of some 45 MB
TOKEN = "0123456789abcdef0123456789abcdef"
DOMAIN = "ga-1234.twil.io"
CALL = "CA" + "5" * 32
TRANSFER = f"{CALL}-mb3k9x2c"
API_ID = "api-id-for-tests"
API_SECRET = "api-secret-for-tests"
STREAM_URL = "wss://media.example.com/mg-twilio-genagent/twilio-media/eyJhbGciOi.TOKEN.sig"
SECRETS = (API_SECRET, API_ID, TOKEN, STREAM_URL, "TOKEN.sig", "hook-secret-1", "pbx-password-1")

# element: (attributes, children, whether it holds text), for what a voice document of ours may have.
VOCABULARY: dict[str, tuple[set[str], set[str], bool]] = {
    "Response": (
        set(),
        {"Say", "Play", "Pause", "Start", "Connect", "Dial", "Enqueue", "Refer", "Record", "Redirect", "Hangup"},
        False,
    ),
    "Say": ({"voice", "language", "loop"}, set(), True),
    "Play": ({"loop", "digits"}, set(), True),
    "Pause": ({"length"}, set(), False),
    "Start": ({"action", "method"}, {"Recording"}, False),
    "Recording": ({"channels", "recordingStatusCallback", "recordingStatusCallbackMethod", "track"}, set(), False),
    "Record": ({"action", "method", "maxLength", "playBeep", "timeout", "finishOnKey"}, set(), False),
    "Connect": ({"action", "method"}, {"Stream"}, False),
    "Stream": ({"url", "name", "track", "statusCallback", "statusCallbackMethod"}, {"Parameter"}, False),
    "Parameter": ({"name", "value"}, set(), False),
    "Dial": (
        {"action", "method", "timeout", "callerId", "answerOnBridge", "timeLimit", "record"},
        {"Number", "Sip"},
        True,
    ),
    "Number": ({"statusCallback", "statusCallbackEvent", "statusCallbackMethod"}, set(), True),
    "Sip": ({"username", "password", "statusCallback", "statusCallbackMethod"}, set(), True),
    "Enqueue": ({"action", "method", "workflowSid", "waitUrl", "waitUrlMethod"}, {"Task"}, True),
    "Task": ({"priority", "timeout"}, set(), True),
    "Refer": ({"action", "method"}, {"Sip"}, False),
    "Redirect": ({"method"}, set(), True),
    "Hangup": (set(), set(), False),
}
# After these Twilio does not come back to the document: what follows them would never be heard.
FINAL = {"Hangup", "Redirect"}


def check_twiml(text: str) -> ET.Element:
    """Parse a voice document and hold it to the vocabulary; return its root."""
    assert len(text) < 64_000, "Twilio takes TwiML of at most 64 KB"
    root = ET.fromstring(text)
    assert root.tag == "Response"
    assert [str(one) for one in find_breaks(parse_twiml(text.encode()).verbs)] == [], "the rule book"
    for element in root.iter():
        attributes, children, has_text = VOCABULARY[element.tag]
        assert set(element.attrib) <= attributes, f"<{element.tag}> has no {set(element.attrib) - attributes}"
        assert {child.tag for child in element} <= children, f"<{element.tag}> holds {[c.tag for c in element]}"
        assert has_text or not (element.text or "").strip(), f"<{element.tag}> holds text"
        assert "undefined" not in element.attrib.values()
        assert "[object" not in "".join([element.text or "", *element.attrib.values()])
    verbs = [child.tag for child in root]
    for at, verb in enumerate(verbs[:-1]):
        # Whether Twilio asks for the action of a <Connect> whose stream did not open is documented nowhere.
        acts = verb != "Connect" and root[at].get("action") is not None
        assert verb not in FINAL, f"{verbs[at + 1]} after {verb} is never run"
        assert not acts, f"{verbs[at + 1]} after a {verb} with an action is never run"
    for element in root.iter("Parameter"):
        assert len(element.attrib["name"]) + len(element.attrib["value"]) < 500
    for element in root.iter():
        if "action" in element.attrib:
            assert element.attrib["action"].startswith("/"), "an action has to be relative"
    for stream in root.iter("Stream"):
        assert re.match(r"https://[a-z]|http://(127\.0\.0\.1|localhost)[:/]", stream.attrib["statusCallback"])
        assert re.match(r"wss://|ws://127\.0\.0\.1", stream.attrib["url"])
        assert "?" not in stream.attrib["url"]
    return root


@dataclass
class Answer:
    """What a function answered. `verbs` is the document in short; `log` its log lines, parsed."""

    status: int
    content_type: str
    text: str
    lines: list[tuple[str, str]]
    root: ET.Element | None = None

    @property
    def verbs(self) -> list[str]:
        assert self.root is not None
        return [element.tag for element in self.root]

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(message) for _, message in self.lines]

    def event(self, name: str) -> dict[str, Any]:
        found = [one for one in self.log if one["event"] == name]
        assert found, f"no event {name} in {self.log}"
        return found[-1]

    def level(self, name: str) -> str:
        return next(level for level, message in self.lines if json.loads(message)["event"] == name)

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def find(self, path: str) -> ET.Element:
        assert self.root is not None
        found = self.root.find(path)
        assert found is not None, f"no {path} in {self.text}"
        return found

    @property
    def action(self) -> str:
        """The URL that Twilio will request next."""
        assert self.root is not None
        for element in self.root:
            if element.get("action"):
                return element.attrib["action"]
            if element.tag == "Redirect":
                return element.text or ""
        raise AssertionError(f"no way on in {self.text}")

    @property
    def parameters(self) -> dict[str, str]:
        assert self.root is not None
        return {one.attrib["name"]: one.attrib["value"] for one in self.root.iter("Parameter")}


@dataclass
class Reply:
    """How ASAPP answers one request: after `delay` seconds, or never; in full, in part, or by hanging up."""

    status: int = 200
    body: object = None
    delay: float = 0.0
    hang: bool = False
    drop: bool = False
    cut: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """What comes next on each of ASAPP's URLs, at Twilio's and at the web hook; the last reply is repeated."""

    stream: list[Reply] = field(default_factory=list)
    transfer: list[Reply] = field(default_factory=list)
    state: list[Reply] = field(default_factory=list)
    messages: list[Reply] = field(default_factory=list)
    notify: list[Reply] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def of(self, kind: str) -> list[Seen]:
        return [one for one in self.seen if kind_of(one.path) == kind]


def kind_of(path: str) -> str:
    """Return which list of the script answers a request."""
    marks = {"stream-url": "stream", "call-transfers": "transfer", "/v1/state": "state", "Messages.json": "messages"}
    return next((kind for mark, kind in marks.items() if mark in path), "notify")


def completed(kind: str | None = None, **output: object) -> Reply:
    """A conversation that is over, as ASAPP reports it."""
    context = {
        "currentTaskName": "Billing",
        "referenceVariables": {"accountId": "A-1"},
        "transferVariables": {"reason": "refund"},
        **({"transferType": kind} if kind else {}),
        **output,
    }
    body = {"id": TRANSFER, "externalConversationId": CALL, "status": "COMPLETED", "type": "SIP"}
    return Reply(body={**body, "createdAt": "2026-01-01T00:00:00Z", "outputContext": context})


ONGOING = Reply(body={"status": "ONGOING"})
MISSING = Reply(404, {"error": {"requestId": "req-404", "message": "no such transfer", "code": "404-01"}})
FAILING = Reply(503, {"error": {"requestId": "req-503", "message": "try later"}})


class FaultServer:
    """ASAPP and a web hook on loopback."""

    def __init__(self) -> None:
        self.script = Script()
        outer = self

        class Scripted(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are written apart; 40 ms a request otherwise

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _answer(self, body: bytes) -> None:
                script = outer.script
                headers = {name.lower(): value for name, value in self.headers.items()}
                script.seen.append(Seen(self.command, self.path, headers, body))
                replies: list[Reply] = getattr(script, kind_of(self.path))
                reply = (replies.pop(0) if len(replies) > 1 else replies[0]) if replies else Reply(body={})
                if reply.hang:
                    self.wfile.write(b"HTTP/1.1 102 Processing\r\n\r\n")  # what the clock has to know
                    script.release.wait(30)
                    self.close_connection = True
                    return
                if reply.delay:
                    script.release.wait(reply.delay)
                if reply.drop:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + (50 if reply.cut else 0)))
                self.end_headers()
                self.wfile.write(content)
                if reply.cut:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A function that gave up before the answer came is no error here."""

        self._server = Server(("127.0.0.1", 0), Scripted)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def reset(self) -> Script:
        self.script.release.set()
        stream, transfer = Reply(body={"streamingUrl": STREAM_URL}), completed("AGENT")
        self.script = Script(stream=[stream], transfer=[transfer], state=[MISSING])
        return self.script

    def stop(self) -> None:
        self.script.release.set()
        self._server.shutdown()
        self._server.server_close()


# A stand-in for the clock of a container. It lies beside the functions as one more of them, for tests alone: production
# has no such seam. Nothing waits for it, and no outcome depends on how fast the machine is:
# - Where only timers are waited for, it leaps to the first of them.
# - While a request is under way, it goes at `pace` seconds a second: slowly, so that a busy machine is not taken for a
#   slow server. A server that says 102 (Processing) will never answer: its request is not waited for.
# - It never passes the next timer: what a limit ends took exactly as long as the limit.
CLOCK = """
const clients = [require('node:http'), require('node:https')];
const real = { Date, setTimeout, clearTimeout, setImmediate };
const timers = new Set();
let pace = 0.1, underWay = 0, at = real.Date.now(), since = at, alarm, round = 0;

const first = () => [...timers].reduce((one, other) => (!one || other.due < one.due ? other : one), undefined);
const now = () => {
  const gone = (real.Date.now() - since) * (timers.size || underWay ? pace : 1);
  return Math.min(at + gone, Math.max(at, first()?.due ?? Infinity));
};
const settle = (moment = now()) => { at = moment; since = real.Date.now(); };
const fire = () => {
  const next = first();
  if (!next) return;
  settle(Math.max(at, next.due));
  timers.delete(next);
  plan();
  next.run(...next.given);
};
const plan = () => {
  real.clearTimeout(alarm);
  const mine = ++round;
  const next = first();
  if (!next) return;
  if (underWay) alarm = real.setTimeout(fire, Math.max(0, next.due - now()) / pace);
  else real.setImmediate(() => real.setImmediate(() => { if (mine === round) fire(); }));
};
const change = (by) => { settle(); by(); plan(); };

globalThis.Date = class extends real.Date {
  constructor(...given) { if (given.length) super(...given); else super(Math.round(now())); }
  static now() { return Math.round(now()); }
};
globalThis.setTimeout = (run, ms = 1, ...given) => {
  const timer = { run, given, ref() { return this; }, unref() { return this; } };
  change(() => { timer.due = at + Math.max(1, Number(ms) || 1); timers.add(timer); });
  return timer;
};
globalThis.clearTimeout = (timer) => { if (timers.has(timer)) change(() => timers.delete(timer)); };
for (const client of clients) {
  const { request } = client;
  client.request = (...given) => {
    const asked = request(...given);
    let counted = true;
    const over = () => { if (counted) change(() => { counted = false; underWay -= 1; }); };
    change(() => { underWay += 1; });
    asked.on('information', ({ statusCode }) => { if (statusCode === 102) over(); });
    asked.on('close', over);
    return asked;
  };
}

exports.handler = (context, event, callback) => {
  if (event.set) {
    pace = Number(event.pace);
    change(() => { at = event.now ? real.Date.parse(event.now) : real.Date.now(); timers.clear(); });
  }
  callback(null, { now: now() / 1000 });
};
"""


class Deployment:
    """One rendered config, served. Calls are synchronous; requests are signed as Twilio signs them."""

    def __init__(self, bundle: Bundle, host: FunctionHost, loop: asyncio.AbstractEventLoop, script: Script) -> None:
        self.bundle = bundle
        self.script = script
        self.variables = {
            name: value.reveal() if isinstance(value, Secret) else value for name, value in bundle.variables.items()
        }
        self._host = host
        self._loop = loop
        self._domain = DOMAIN

    def set(self, **variables: str | None) -> None:
        """Change environment variables; None removes one."""
        present = {name: value for name, value in {**self.variables, **variables}.items() if value is not None}
        self._domain = present.get("DOMAIN_NAME", DOMAIN)
        self._host.set_context({"DOMAIN_NAME": DOMAIN, **present})

    def clock(self, *, now: str = "", pace: float = 0.1) -> None:
        """Set the container's clock; while a request is under way it goes at `pace` seconds a second."""
        answer = self._run(HttpRequest("GET", "/test-clock", urlencode({"set": "yes", "now": now, "pace": pace})))
        assert answer.status == 200, answer.text

    @property
    def now(self) -> float:
        """The seconds that the container's clock shows."""
        return float(json.loads(self._run(HttpRequest("GET", "/test-clock")).text)["now"])

    def post(self, url: str, /, *, judged: bool = True, **fields: str) -> Answer:
        """Request `url` (path and query) as Twilio does for a call; `fields` go over those of a plain inbound call."""
        parts = urlsplit(url)
        usual = {
            "CallSid": CALL,
            "AccountSid": ACCOUNT,
            "From": "+15551112222",
            "To": "+15550100000",
            "CallStatus": "in-progress",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
        }
        form = {name: value for name, value in {**usual, **fields}.items() if value is not None}
        body = urlencode(form).encode()
        signature = sign(TOKEN, f"https://{self._domain}{url}", parse_qs(body.decode(), keep_blank_values=True))
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Twilio-Signature", signature)]
        return self._judge(self._run(HttpRequest("POST", parts.path, parts.query, headers, body)), judged=judged)

    def unsigned(self, path: str) -> int:
        return self._run(HttpRequest("POST", path)).status

    def quote(self, **query: str) -> str:
        return urlencode({name: value for name, value in query.items() if value})

    def walk(self, answer: Answer) -> None:
        """Let every destination fail until the call is over: it has to end, and never without a word or a verb."""
        for _ in range(12):
            assert answer.verbs
            if answer.verbs[-1] in {"Hangup", "Redirect"}:
                return
            answer = self.post(answer.action, DialCallStatus="busy", QueueResult="error", ReferCallStatus="failed")
        raise AssertionError("the call does not end")

    def fresh(self) -> None:
        """Let the container forget what it knows."""
        assert self._run(HttpRequest("GET", "/test-reset")).status == 200

    def _run(self, call: HttpRequest) -> HttpResponse:
        return asyncio.run_coroutine_threadsafe(self._host.handle(call), self._loop).result(300)

    def _judge(self, answer: HttpResponse, *, judged: bool) -> Answer:
        kind = (answer.header("Content-Type") or "").split(";")[0]
        lines = [(line.level, line.message) for line in answer.logs]
        made = Answer(answer.status, kind, answer.text, lines)
        for _, message in lines:
            assert message.splitlines() == [message], "an event is one line, whatever a reader takes for its end"
            assert message.isascii()
            assert "event" in json.loads(message)
            for secret in SECRETS:
                assert secret not in message
        if judged:
            assert answer.status == 200, answer.text + str(lines)
            assert kind == "text/xml"
        if kind == "text/xml" and answer.status == 200:
            made.root = check_twiml(answer.text)
            for secret in (API_SECRET, API_ID, TOKEN):
                assert secret not in answer.text
        return made


RESET = """
exports.handler = (context, event, callback) => {
  for (const [name, { path }] of Object.entries(Runtime.getFunctions())) {
    if (name !== 'test-clock') delete require.cache[path];
  }
  callback(null, {});
};
"""


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever, daemon=True)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


@pytest.fixture(scope="session")
def packages(loop: asyncio.AbstractEventLoop, npm_cache: Path) -> Path:
    """What the platform has in every build by default, and what our config declares."""
    wanted = {"twilio": "5.0.3", "axios": "1.20.0"}
    return asyncio.run_coroutine_threadsafe(NodePackages(npm_cache).install(wanted), loop).result(500)


@pytest.fixture(scope="session")
def fault_server() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.stop()


@pytest.fixture
def asapp(fault_server: FaultServer) -> Script:
    """ASAPP's script for this test: a stream URL, and a conversation that ends with AGENT."""
    return fault_server.reset()


def base_config(hook_url: str) -> dict[str, Any]:
    """Return a config with every kind of destination, step and value."""
    return {
        "version": 1,
        "twilio": {"account_sid": ACCOUNT},
        "asapp": {"api_host": "https://api.example.com", "api_id": "${ID}", "api_secret": "${SECRET}"},
        "input": {
            "customerId": {"from": "call.From"},
            "taskName": "customer_support",
            "variables": {
                "callerCity": {"from": "call.FromCity", "default": "unknown"},
                "campaign": {"from": "query.campaign", "default": "none"},
                "channel": "voice",
            },
        },
        "destinations": {
            "support": {"number": "+15550100001", "caller_id": "called", "timeout": 20},
            "direct": {"number": "+15550100009", "caller_id": "caller"},
            "fixed": {"number": "+15550100008", "caller_id": "+15550100077"},
            "billing": {
                "sip": "sip:billing@pbx.example.com",
                "username": "ga",
                "password": "${PBX}",
                "headers": {
                    "X-Task": {"from": "outcome.currentTaskName"},
                    "X-Why": {"from": "transferVariables.reason"},
                },
            },
            "flex": {
                "enqueue": {
                    "workflow_sid": "WW" + "0" * 32,
                    "attributes": {
                        "reason": {"from": "transferVariables.reason"},
                        "campaign": {"from": "query.campaign"},
                    },
                }
            },
            "ivr": {
                "redirect": "https://ivr.example.com/voice?a=1",
                "params": {"account": {"from": "referenceVariables.accountId"}},
            },
            "carrier": {"refer": "sip:queue@carrier.example.com"},
            "night_desk": {
                "number": "+15550100002",
                "hours": {
                    "timezone": "America/New_York",
                    "open": {"mon-fri": "18:00-08:00", "sat-sun": "00:00-24:00"},
                    "closed": ["2026-12-25"],
                },
            },
        },
        "outcomes": {
            "agent": [
                {"say": "Please hold."},
                {
                    "send": {
                        "by": {"from": "outcome.currentTaskName"},
                        "map": {"Billing": "billing"},
                        "default": "support",
                    }
                },
                {"send": "night_desk"},
            ],
            "system": [
                {"notify": {"url": f"{hook_url}/notified", "secret": "${HOOK}"}},
                {"send": {"by": {"from": "transferVariables.route"}, "default": "ivr"}},
            ],
            "completed": ["hangup"],
            "dropped": [
                {"say": {"text": "One moment.", "voice": "Polly.Amy", "language": "en-GB"}},
                {"send": "support"},
            ],
            "unknown": [{"send": "support"}],
            "failed": [{"say": "We have technical difficulties."}, {"send": "support"}],
            "bypass": [{"send": "direct"}],
            "exhausted": [{"say": "Nobody is available."}, "hangup"],
        },
        "profiles": {"es": {"input": {"taskName": "soporte"}, "voice": {"name": "Polly.Lupe", "language": "es-US"}}},
    }


def lay(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid over it: maps key by key, the rest replaced."""
    merged = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = lay(merged[key], value) if both else value
    return merged


def load_bundle(config: Mapping[str, Any], folder: Path, asapp_url: str) -> Bundle:
    """Render a config that is given as data, with the test's ASAPP in the place of the real one."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    stand_in = LocalStandIn(ACCOUNT, Secret(TOKEN), asapp_url, Secret(API_ID), Secret(API_SECRET))
    environ = {"ID": API_ID, "SECRET": API_SECRET, "HOOK": "hook-secret-1", "PBX": "pbx-password-1"}
    return render(load_config(path, local=stand_in, environ=environ))


def host_of(bundle: Bundle, packages: Path, twilio_api: str = "") -> FunctionHost:
    functions = [(one.path, one.visibility, one.content) for one in bundle.functions]
    functions += [("/test-clock", "public", CLOCK), ("/test-reset", "public", RESET)]
    handlers = [Handler(path, seen, text, f"ZN{at:032x}") for at, (path, seen, text) in enumerate(functions)]
    return FunctionHost(
        node_modules=packages,
        handlers=handlers,
        context={"DOMAIN_NAME": DOMAIN},
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        twilio_api=twilio_api,
    )


Deploy = Callable[..., Deployment]


@pytest.fixture(scope="session")
def hosts(
    loop: asyncio.AbstractEventLoop, packages: Path, fault_server: FaultServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], tuple[Bundle, FunctionHost]]]:
    """Served configs by their content: equal ones share a host."""
    made: dict[str, tuple[Bundle, FunctionHost]] = {}

    def stop(host: FunctionHost) -> None:
        asyncio.run_coroutine_threadsafe(host.stop(), loop).result(300)

    def serve(content: str) -> tuple[Bundle, FunctionHost]:
        if content not in made:
            wanted = json.loads(content)
            folder = tmp_path_factory.mktemp("config")
            for name, text in wanted["files"].items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text, encoding="utf-8")
            bundle = load_bundle(wanted["config"], folder, fault_server.url)
            host = host_of(bundle, packages, fault_server.url)
            asyncio.run_coroutine_threadsafe(host.start(), loop).result(300)
            made[content] = (bundle, host)
            if len(made) > MOST_HOSTS:
                stop(made.pop(next(iter(made)))[1])
        made[content] = made.pop(content)  # the one that was used last goes last
        return made[content]

    yield serve
    for _, host in made.values():
        stop(host)


@pytest.fixture
def deploy(
    hosts: Callable[[str], tuple[Bundle, FunctionHost]],
    loop: asyncio.AbstractEventLoop,
    fault_server: FaultServer,
    asapp: Script,
) -> Deploy:
    """Serve the base config with changes laid over it: `deploy({"waiting": {...}}, files={"hooks/x.js": ...})`."""

    def serve(changes: Mapping[str, Any] | None = None, files: Mapping[str, str] | None = None) -> Deployment:
        config = lay(base_config(fault_server.url), changes or {})
        content = json.dumps({"config": config, "files": dict(files or {})}, sort_keys=True)
        bundle, host = hosts(content)
        made = Deployment(bundle, host, loop, asapp)
        made.set()
        made.fresh()
        made.clock()
        return made

    return serve


@pytest.fixture
def deploy_bundle(
    loop: asyncio.AbstractEventLoop, packages: Path, fault_server: FaultServer, asapp: Script
) -> Callable[..., AbstractContextManager[Deployment]]:
    """Serve a bundle for the length of a `with`, with the test's ASAPP."""

    @contextmanager
    def serve(bundle: Bundle, other_packages: Path | None = None) -> Iterator[Deployment]:
        host = host_of(bundle, other_packages or packages, fault_server.url)
        asyncio.run_coroutine_threadsafe(host.start(), loop).result(300)
        try:
            made = Deployment(bundle, host, loop, asapp)
            made.variables = {**made.variables, "ASAPP_API_HOST": fault_server.url}
            made.set()
            yield made
        finally:
            asyncio.run_coroutine_threadsafe(host.stop(), loop).result(300)

    return serve


@pytest.fixture
def functions(deploy: Deploy) -> Deployment:
    """The base config, served."""
    return deploy()


@pytest.fixture(scope="session")
def bench() -> SimpleNamespace:
    """The names of this module that tests use."""
    return SimpleNamespace(
        call=CALL,
        transfer=TRANSFER,
        account=ACCOUNT,
        stream_url=STREAM_URL,
        api_id=API_ID,
        api_secret=API_SECRET,
        reply=Reply,
        ongoing=ONGOING,
        missing=MISSING,
        failing=FAILING,
        completed=completed,
        query=lambda url: dict(parse_qsl(urlsplit(url).query)),
        check_twiml=check_twiml,
        base_config=base_config,
        lay=lay,
        load_bundle=load_bundle,
    )
