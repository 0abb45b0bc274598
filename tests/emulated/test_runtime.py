"""The platform's rules as a client of a deployed function meets them, with the real `twilio` package in Node."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from aiohttp import BasicAuth, web
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from ga_deploy.emulator.functions.host import Asset, FunctionHost, Handler, HttpRequest, HttpResponse, LogLine
from ga_deploy.emulator.functions.npm import NodePackages

if TYPE_CHECKING:
    from collections.abc import Iterator

DOMAIN = "generativeagent-1234-stage.twil.io"
TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT = "AC" + "0" * 32
PACKAGES = {"twilio": "5.13.1", "axios": "1.20.0"}
FORM = ("Content-Type", "application/x-www-form-urlencoded")

CALLBACKS = {
    "text": "cb(null, '<Response/>')",
    "nothing": "cb()",
    "null": "cb(null, null)",
    "object": "cb(null, {a: [1]})",
    "array": "cb(null, [1, 2])",
    "boolean": "cb(null, false)",
    "number": "cb(null, 404)",
    "twiml": "const t = new Twilio.twiml.VoiceResponse(); t.say('hi'); cb(null, t)",
    "twiml-direct": "const V = require('twilio/lib/twiml/VoiceResponse'); const t = new V(); t.hangup(); cb(null, t)",
    "twiml-foreign": "class VoiceResponse { toString() { return '<Response/>' } }; cb(null, new VoiceResponse())",
    "circular": "const o = {}; o.o = o; cb(null, o)",
    "response": """
        const r = new Twilio.Response();
        r.setStatusCode(201).setBody('<x/>').appendHeader('Content-Type', 'text/xml').setCookie('a', 'b', ['Path=/']);
        cb(null, r.appendHeader('X-A', '1').appendHeader('X-A', '2'));
    """,
    "response-json": "cb(null, new Response({statusCode: 418, body: {a: 1}}))",
    "response-bytes": "const r = new Twilio.Response(); r.setBody(Buffer.from([0, 255])); cb(null, r)",
    "response-status": "const r = new Twilio.Response(); r.setStatusCode('many'); cb(null, r)",
    "cookie-too-old": "const r = new Twilio.Response(); r.setCookie('a', 'b', ['Max-Age=86401']); cb(null, r)",
    "error": "cb(new Error('no luck'))",
    "error-text": "cb('no luck')",
    "error-object": "cb({code: 7})",
    "error-falsy": "cb(0)",
    "twice": "cb(null, 'first'); cb(null, 'second')",
    "throws": "throw new TypeError('thrown')",
    "large": "cb(null, 'x'.repeat(4 * 1024 * 1024 + 1))",
}

FUNCTIONS = {
    "/echo": "cb(null, event)",
    "/context": "cb(null, {...context, twilio: typeof context.getTwilioClient, env: process.env})",
    "/state": "globalThis.count = (globalThis.count || 0) + 1; cb(null, {count: globalThis.count, pid: process.pid})",
    "/other": "require('./lib/secret'); cb(null, 'unreachable')",
    "/shared": "cb(null, require(Runtime.getFunctions()['lib/secret'].path).word)",
    "/resources": """
        const assets = Runtime.getAssets();
        cb(null, {functions: Runtime.getFunctions(), asset: assets['/names.json'].open(), keys: Object.keys(assets)});
    """,
    "/loaded": "cb(null, {files: Object.keys(require.cache).filter((file) => file.includes('/twilio/')).length})",
    "/noisy": """
        console.log('a %s', 'b', {c: 1}); console.warn('w'); console.error('e'); console.debug('d');
        process.stdout.write('raw\\n');
        cb(null, 'ok');
    """,
    "/forger": "require('fs').writeSync(1, '{\"kind\":\"answer\",\"status\":200}\\n'); cb(null, 'real')",
    "/chatty": "for (let i = 0; i < 50000; i += 1) console.log(i); console.log('x'.repeat(1e6)); cb(null, 'ok')",
    "/late": "setTimeout(() => console.log('late'), 20); cb(null, 'ok')",
    "/slow": "setTimeout(() => cb(null, {pid: process.pid}), Number(event.ms))",
    "/client": """
        const sync = context.getTwilioClient().sync.v1.services('IS1').documents('lease');
        const other = Runtime.getSync().documents('other');
        Promise.all([sync.fetch(), other.fetch(), twilioClient.api.v2010.account.fetch()])
            .then((found) => cb(null, found.map((one) => one.uniqueName || one.friendlyName)), cb);
    """,
    "/blocks": "for (;;);",
    "/silent": "/* never answers */",
    "/exits": "process.exit(3)",
    "/rejects": "Promise.reject(new Error('floating')); setTimeout(() => cb(null, 'too late'), 1000)",
    "/touches": """
        const fs = require('fs');
        const os = require('os');
        const path = require('path');
        const own = path.join(os.tmpdir(), 'note');
        const attempts = {
            own: () => { fs.writeFileSync(own, 'mine'); return fs.readFileSync(own, 'utf8'); },
            home: () => os.homedir() === os.tmpdir(),
            build: () => fs.readFileSync(__filename, 'utf8').length > 0,
            packages: () => fs.readFileSync(require.resolve('axios/package.json'), 'utf8').length > 0,
            linked: () => fs.readFileSync(path.join(process.cwd(), 'node_modules/axios/package.json')).length > 0,
            outside: () => fs.readFileSync(event.outside, 'utf8'),
            neighbours: () => fs.readdirSync(path.dirname(os.tmpdir())),
            system: () => fs.readFileSync('/proc/self/environ', 'utf8'),
            write: () => fs.writeFileSync(event.outside, 'theirs'),
            overwrite: () => fs.writeFileSync(__filename, 'theirs'),
            beside: () => fs.writeFileSync(path.join(path.dirname(os.tmpdir()), 'x'), 'theirs'),
            poison: () => fs.writeFileSync(require.resolve('axios/package.json'), '{}'),
            link: () => fs.symlinkSync(event.outside, path.join(os.tmpdir(), 'link')),
            report: () => process.report.writeReport(event.outside),
            process: () => require('child_process').execFileSync(process.execPath, ['--version']).length,
            worker: () => String(new (require('worker_threads').Worker)('1', { eval: true })),
            addon: () => process.dlopen({ exports: {} }, event.outside),
        };
        const found = {};
        for (const [name, attempt] of Object.entries(attempts)) {
            try { found[name] = attempt(); } catch (error) { found[name] = error.code; }
        }
        cb(null, { found, temporary: os.tmpdir(), environment: Object.keys(process.env) });
    """,
    "/forks": "require('child_process').execFileSync('true')",
    "/hungry": "const all = []; for (;;) all.push(new Array(100000).fill(Math.random()))",
}


FUNCTIONS["/time"] = (
    "cb(null, { now: Date.now(), date: new Date(), fixed: new Date(0), is: new Date() instanceof Date });"
)


def write_handlers() -> list[Handler]:
    bodies = {**FUNCTIONS, **{f"/cb/{name}": body for name, body in CALLBACKS.items()}}
    sources = {path: f"exports.handler = (context, event, cb) => {{ {body} }};" for path, body in bodies.items()}
    sources["/async-rejects"] = "exports.handler = async () => { throw new Error('inside') };"
    sources["/no-handler"] = "exports.hander = 1;"
    sources["/broken"] = "exports.handler = ("
    handlers = [Handler(path, "public", source, f"ZN{at}") for at, (path, source) in enumerate(sources.items())]
    return [
        *handlers,
        Handler("/lib/secret", "private", "exports.word = 'sesame';", "ZNprivate"),
        Handler("/guarded", "protected", "exports.handler = (c, e, cb) => cb(null, e);", "ZNguarded"),
    ]


class Site:
    """A host and the one event loop it belongs to."""

    def __init__(self, host: FunctionHost, runner: asyncio.Runner, logs: list[LogLine]) -> None:
        self.host = host
        self.runner = runner
        self.logs = logs

    def get(self, path: str, query: str = "", headers: list[tuple[str, str]] | None = None) -> HttpResponse:
        return self.call("GET", path, query, headers)

    def call(self, method: str, path: str, query: str = "", headers: Any = None, body: bytes = b"") -> HttpResponse:
        return self.runner.run(self.host.handle(HttpRequest(method, path, query, headers or [], body)))


def install(npm_cache: Path, runner: asyncio.Runner) -> Path:
    return runner.run(NodePackages(npm_cache).install(PACKAGES, "node22"))


def make_host(packages: Path, logs: list[LogLine], **changes: Any) -> FunctionHost:
    settings: dict[str, Any] = {
        "node_modules": packages,
        "handlers": write_handlers(),
        "assets": [
            Asset("/names.json", "private", b'["a"]', "ZNasset"),
            Asset("/logo.svg", "public", b"<svg/>", "ZNlogo", "image/svg+xml"),
        ],
        "context": {"DOMAIN_NAME": DOMAIN, "SERVICE_SID": "ZS1", "GREETING": "hello"},
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "on_log": logs.append,
    }
    return FunctionHost(**(settings | changes))


@pytest.fixture(scope="module")
def site(npm_cache: Path) -> Iterator[Site]:
    logs: list[LogLine] = []
    with asyncio.Runner() as runner:
        host = make_host(install(npm_cache, runner), logs)
        runner.run(host.start())
        yield Site(host, runner, logs)
        runner.run(host.stop())


@pytest.fixture(scope="module")
def hasty(npm_cache: Path) -> Iterator[Site]:
    """A site whose limit is short enough to be waited for."""
    logs: list[LogLine] = []
    with asyncio.Runner() as runner:
        host = make_host(install(npm_cache, runner), logs, time_limit=1.5, memory_mb=64)
        runner.run(host.start())
        yield Site(host, runner, logs)
        runner.run(host.stop())


@pytest.mark.parametrize(
    ("name", "status", "content_type", "body"),
    [
        ("text", 200, "text/plain", "<Response/>"),
        ("nothing", 200, None, ""),
        ("null", 200, None, ""),
        ("object", 200, "application/json", '{"a":[1]}'),
        ("array", 200, "application/json", "[1,2]"),
        ("boolean", 200, "application/json", "false"),
        ("twiml", 200, "text/xml", '<?xml version="1.0" encoding="UTF-8"?><Response><Say>hi</Say></Response>'),
        ("twiml-direct", 200, "text/xml", '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>'),
        ("twiml-foreign", 200, "application/json", "{}"),
        ("response", 201, "text/xml", "<x/>"),
        ("response-json", 418, "application/json", '{"a":1}'),
        ("error-text", 500, "text/plain", "no luck"),
        ("error-object", 500, "application/json", '{"code":7}'),
        ("error-falsy", 500, "application/json", "0"),
        ("twice", 200, "text/plain", "first"),
    ],
)
def test_what_callback_is_given_decides_the_answer(
    site: Site, name: str, status: int, content_type: str | None, body: str
) -> None:
    answer = site.get(f"/cb/{name}")
    assert (answer.status, answer.header("Content-Type"), answer.text) == (status, content_type, body)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/cb/number", "the number 404"),
        ("/cb/circular", "cannot be sent"),
        ("/cb/error", "no luck"),
        ("/cb/throws", "thrown"),
        ("/cb/response-status", "'many'"),
        ("/cb/large", "4194304 are allowed"),
        ("/async-rejects", "inside"),
        ("/rejects", "floating"),
        ("/no-handler", "no exports.handler in /no-handler"),
        ("/broken", "SyntaxError"),
        ("/other", "Cannot find module './lib/secret'"),
    ],
)
def test_a_failing_function_is_a_500_that_says_why_in_the_log(site: Site, path: str, said: str) -> None:
    answer = site.get(path)
    assert answer.status == 500
    assert any(said in line.message and line.level == "error" and line.path == path for line in answer.logs)
    assert str(Path(__file__).parents[2]) not in answer.text + "".join(line.message for line in answer.logs)


def test_response_keeps_cookies_and_repeated_headers(site: Site) -> None:
    headers = site.get("/cb/response").headers
    assert ("Set-Cookie", "a=b;Path=/") in headers
    assert [value for name, value in headers if name == "X-A"] == ["1", "2"]
    assert site.get("/cb/response-bytes").body == b"\x00\xff"
    assert site.get("/cb/cookie-too-old").status == 400


def test_functions_lie_under_their_version_so_that_names_do_not_reach_each_other(site: Site) -> None:
    functions = json.loads(site.get("/resources").body)["functions"]
    assert functions["lib/secret"]["path"].endswith("/handlers/ZNprivate.js")
    assert not any(name.startswith("/") for name in functions)
    assert site.get("/shared").text == "sesame"
    assert "/var/task/handlers/ZN" in site.get("/other").text


def test_assets(site: Site) -> None:
    resources = json.loads(site.get("/resources").body)
    assert (resources["asset"], resources["keys"]) == ('["a"]', ["/names.json"])
    logo = site.get("/logo.svg")
    assert (logo.status, logo.header("Content-Type"), logo.body) == (200, "image/svg+xml", b"<svg/>")
    assert site.get("/names.json").status == 404


def test_body_wins_over_query_and_repeated_fields_are_lists(site: Site) -> None:
    headers = [
        FORM,
        ("Cookie", "a=1; b=%20x"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Host", DOMAIN),
        ("X-Two", "1"),
        ("X-Two", "2"),
    ]
    event = json.loads(site.call("POST", "/echo", "From=query&only=q", headers, b"From=%2B1555&To=a&To=b&empty=").body)
    assert {key: event[key] for key in event if key != "request"} == {
        "From": "+1555", "only": "q", "To": ["a", "b"], "empty": "",
    }  # fmt: skip
    assert event["request"]["cookies"] == {"a": "1", "b": " x"}
    assert event["request"]["headers"] == {
        "content-type": FORM[1], "cookie": "a=1; b=%20x", "x-two": ["1", "2"],
    }  # fmt: skip


def test_json_bodies(site: Site) -> None:
    json_type = [("Content-Type", "application/json; charset=utf-8")]
    event = json.loads(site.call("POST", "/echo", "a=query", json_type, b'{"a": {"b": 1}}').body)
    assert event["a"] == {"b": 1}
    assert site.call("POST", "/echo", "", json_type, b"{").status == 400


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("DELETE", 405), ("HEAD", 405), ("OPTIONS", 200)])
def test_verbs(site: Site, method: str, status: int) -> None:
    assert site.call(method, "/echo").status == status


def test_limits_of_the_gateway(site: Site) -> None:
    assert site.call("GET", "/echo", body=b"x").status == 403
    assert site.call("POST", "/echo", body=b"x" * (1024 * 1024 + 1)).status == 413
    assert site.call("POST", "/echo", headers=[("X-A", "x" * 15 * 1024)]).status == 431
    assert site.call("POST", "/echo", headers=[(f"X-{n}", "x") for n in range(91)]).status == 431
    assert site.call("POST", "/echo", headers=[FORM], body=b"a=" + b"x" * 900_000).status == 200


def test_private_and_unknown_paths_do_not_exist(site: Site) -> None:
    assert [site.get(path).status for path in ("/lib/secret", "/nowhere", "/echo.js", "/echo/")] == [404] * 4


class TestSignature:
    """The official SDK signs; what it signs must be let in, anything else must not."""

    parameters = MultiDict(
        [("CallSid", "CA1"), ("From", "+1555"), ("Digits", "2"), ("Digits", "1"), ("Digits", "2"), ("ümlaut", "é & =")]
    )

    def sign(self, url: str, parameters: Any, token: str = TOKEN) -> list[tuple[str, str]]:
        return [("X-Twilio-Signature", RequestValidator(token).compute_signature(url, parameters))]

    def test_a_signed_form_is_let_in(self, site: Site) -> None:
        body = urlencode(list(self.parameters.items())).encode()
        signature = self.sign(f"https://{DOMAIN}/guarded?profile=es%20x", self.parameters)
        answer = site.call("POST", "/guarded", "profile=es%20x", [FORM, *signature], body)
        assert (answer.status, json.loads(answer.body)["profile"]) == (200, "es x")
        for query, sent in (("profile=es%20y", body), ("profile=es%20x", body + b"&More=1"), ("", body)):
            assert site.call("POST", "/guarded", query, [FORM, *signature], sent).status == 403

    def test_unsigned_and_signed_by_another_token(self, site: Site) -> None:
        assert site.call("POST", "/guarded", "", [FORM], b"a=b").status == 403
        foreign = self.sign(f"https://{DOMAIN}/guarded", {"a": "b"}, "f" * 32)
        assert site.call("POST", "/guarded", "", [FORM, *foreign], b"a=b").status == 403
        assert site.call("POST", "/guarded", "", [FORM, ("X-Twilio-Signature", "ä")], b"a=b").status == 403

    def test_get_and_explicit_port(self, site: Site) -> None:
        assert site.get("/guarded", "a=b", self.sign(f"https://{DOMAIN}/guarded?a=b", {})).status == 200
        assert site.get("/guarded", "a=b", self.sign(f"https://{DOMAIN}:443/guarded?a=b", {})).status == 200

    def test_a_json_body_is_signed_through_its_hash(self, site: Site) -> None:
        body = b'{"a": 1}'
        query = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
        headers = [("Content-Type", "application/json"), *self.sign(f"https://{DOMAIN}/guarded?{query}", {})]
        assert site.call("POST", "/guarded", query, headers, body).status == 200
        assert site.call("POST", "/guarded", query, headers, b'{"a": 2}').status == 403
        unhashed = [("Content-Type", "application/json"), *self.sign(f"https://{DOMAIN}/guarded", {})]
        assert site.call("POST", "/guarded", "", unhashed, body).status == 403


def test_variables_are_live_and_nothing_of_this_machine_is_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASAPP_API_SECRET", "of-the-developer")
    context = json.loads(site.get("/context").body)
    assert context["GREETING"] == context["env"]["GREETING"] == "hello"
    assert {key: context[key] for key in ("DOMAIN_NAME", "PATH", "ACCOUNT_SID", "AUTH_TOKEN", "twilio")} == {
        "DOMAIN_NAME": DOMAIN, "PATH": "/context", "ACCOUNT_SID": ACCOUNT, "AUTH_TOKEN": TOKEN, "twilio": "function",
    }  # fmt: skip
    assert "ASAPP_API_SECRET" not in context["env"]
    assert context["env"]["TZ"] == "UTC"
    site.host.set_context({"DOMAIN_NAME": DOMAIN, "OTHER": "1"})
    changed = json.loads(site.get("/context").body)
    site.host.set_context({"DOMAIN_NAME": DOMAIN, "SERVICE_SID": "ZS1", "GREETING": "hello"})
    assert changed["OTHER"] == changed["env"]["OTHER"] == "1"
    assert "GREETING" not in changed
    assert "GREETING" not in changed["env"]


def test_a_warm_container_keeps_its_state(site: Site) -> None:
    first, second = (json.loads(site.get("/state").body) for _ in range(2))
    assert second == {"count": first["count"] + 1, "pid": first["pid"]}


def test_a_client_that_leaves_out_waiting_meets_a_clock_that_is_ahead(site: Site) -> None:
    def ask(ahead: float) -> dict[str, Any]:
        return dict(json.loads(site.runner.run(site.host.handle(HttpRequest("GET", "/time", ahead=ahead))).body))

    before = time.time()
    usual, later, after = ask(0), ask(600), ask(0)
    assert before * 1000 - 1 <= usual["now"] <= after["now"] <= time.time() * 1000 + 1
    assert usual["now"] <= later["now"] - 600_000 <= after["now"]
    assert dt.datetime.fromisoformat(later["date"]).timestamp() >= before + 599
    assert (later["fixed"], later["is"]) == ("1970-01-01T00:00:00.000Z", True)


def test_twilio_is_loaded_only_when_used(npm_cache: Path) -> None:
    with asyncio.Runner() as runner:
        host = make_host(install(npm_cache, runner), [])

        async def load(path: str) -> int:
            await host.handle(HttpRequest("GET", path))
            answer = await host.handle(HttpRequest("GET", "/loaded"))
            return int(json.loads(answer.body)["files"])

        runner.run(host.start())
        counts = [runner.run(load(path)) for path in ("/cb/response", "/cb/twiml-direct", "/cb/twiml")]
        runner.run(host.stop())
    assert counts[0] == 0
    assert 0 < counts[1] < 10 < counts[2]


def test_logs_carry_level_path_and_request(site: Site) -> None:
    answer = site.get("/noisy")
    assert [(line.level, line.message) for line in answer.logs] == [
        ("info", "a b { c: 1 }"), ("warning", "w"), ("error", "e"), ("debug", "d"), ("info", "raw"),
    ]  # fmt: skip
    assert {(line.path, line.request_id) for line in answer.logs} == {("/noisy", answer.request_id)}
    assert site.get("/forger").text == "real"


def test_a_function_that_logs_without_end_is_cut_off(site: Site) -> None:
    lines = site.get("/chatty").logs
    assert (len(lines), lines[-1].message) == (2001, "further lines of this request are not kept")


def test_what_is_logged_after_the_answer_is_not_lost(site: Site) -> None:
    late: list[str] = []
    for _ in range(20):
        answer = site.get("/late")
        assert answer.logs == []
        for _ in range(100):
            late = [line.message for line in site.logs if line.request_id == answer.request_id]
            if late:
                break
            site.runner.run(asyncio.sleep(0.02))
        if late:
            break
    assert late == ["late"]


def test_a_request_that_hangs_keeps_neither_another_waiting_nor_the_end(npm_cache: Path) -> None:
    """Requests at the same time get containers of their own, and stopping waits for none of them."""

    async def run() -> tuple[HttpResponse, bool, HttpResponse]:
        packages = await NodePackages(npm_cache).install(PACKAGES, "node22")
        async with make_host(packages, [], time_limit=3600) as host:
            hanging = asyncio.ensure_future(host.handle(HttpRequest("GET", "/silent")))
            answered = await host.handle(HttpRequest("GET", "/state"))
            still_hangs = not hanging.done()
        return answered, still_hangs, await hanging

    answered, still_hangs, lost = asyncio.run(run())
    assert (answered.status, still_hangs, lost.status) == (200, True, 502)


@pytest.mark.parametrize("path", ["/blocks", "/silent"])
def test_ten_seconds_are_the_limit_whatever_the_function_does(hasty: Site, path: str) -> None:
    answer = hasty.get(path)
    assert answer.status == 504
    assert answer.logs[-1].message == "no answer within 1.5 s"
    # The limit holds for the first request of a fresh container, too, which a busy machine may not keep.
    while hasty.get("/cb/text").status != 200:
        pass


@pytest.mark.parametrize(("path", "said"), [("/exits", "code 3"), ("/hungry", "out of memory")])
def test_a_lost_process_is_a_502_and_the_next_request_gets_a_fresh_one(npm_cache: Path, path: str, said: str) -> None:
    with asyncio.Runner() as runner:
        host = make_host(install(npm_cache, runner), [], memory_mb=48)
        runner.run(host.start())
        state = [runner.run(host.handle(HttpRequest("GET", one))) for one in ("/state", path, "/state")]
        runner.run(host.stop())
    assert (state[1].status, said in state[1].logs[-1].message) == (502, True)
    assert [json.loads(state[at].body)["count"] for at in (0, 2)] == [1, 1]


def test_a_crash_takes_no_other_request_with_it(site: Site) -> None:
    async def both() -> list[HttpResponse]:
        calls = [HttpRequest("GET", "/slow", "ms=300"), HttpRequest("GET", "/exits")]
        return await asyncio.gather(*(site.host.handle(call) for call in calls))

    slow, lost = site.runner.run(both())
    assert lost.status == 502
    assert slow.status == 200


def test_a_cold_start_can_be_measured(site: Site) -> None:
    cold = site.runner.run(site.host.measure_cold_start(HttpRequest("GET", "/state")))
    assert json.loads(cold.answer.body)["count"] == 1
    assert cold.launch > 0
    assert cold.first_call > 0


def test_twilio_clients_talk_to_the_emulated_api(npm_cache: Path) -> None:
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        authorization = BasicAuth.decode(request.headers["Authorization"])
        seen.append((request.path, f"{authorization.login}:{authorization.password}"))
        return web.json_response({"unique_name": request.path.rsplit("/", 1)[1], "friendly_name": "an account"})

    async def ask() -> HttpResponse:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        packages = await NodePackages(npm_cache).install(PACKAGES, "node22")
        async with make_host(packages, [], twilio_api=base_url) as host:
            answered = await host.handle(HttpRequest("GET", "/client"))
        await runner.cleanup()
        return answered

    answered = asyncio.run(ask())
    assert json.loads(answered.body) == ["lease", "other", "an account"]
    assert {path for path, _ in seen} == {
        "/sync/v1/Services/IS1/Documents/lease",
        "/sync/v1/Services/default/Documents/other",
        f"/api/2010-04-01/Accounts/{ACCOUNT}.json",
    }
    assert {credentials for _, credentials in seen} == {f"{ACCOUNT}:{TOKEN}"}


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_containers_that_nobody_needs_are_ended(npm_cache: Path) -> None:
    async def count() -> int:
        packages = await NodePackages(npm_cache).install(PACKAGES, "node22")
        async with make_host(packages, [], idle_seconds=0.2) as host:
            first = json.loads((await host.handle(HttpRequest("GET", "/state"))).body)
            while is_running(first["pid"]):
                await asyncio.sleep(0.02)
            return int(json.loads((await host.handle(HttpRequest("GET", "/state"))).body)["count"])

    assert asyncio.run(count()) == 1


def test_a_burst_of_quick_requests_shares_a_few_containers(npm_cache: Path) -> None:
    async def burst() -> list[HttpResponse]:
        packages = await NodePackages(npm_cache).install(PACKAGES, "node22")
        async with make_host(packages, [], patience_seconds=30.0) as host:
            await host.handle(HttpRequest("GET", "/state"))
            return await asyncio.gather(*(host.handle(HttpRequest("GET", "/state")) for _ in range(40)))

    answers = asyncio.run(burst())
    assert {answer.status for answer in answers} == {200}
    assert len({json.loads(answer.body)["pid"] for answer in answers}) < 10


def test_nothing_stays_behind(npm_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with asyncio.Runner() as runner:
        host = make_host(install(npm_cache, runner), [])
        runner.run(host.start())
        pid = json.loads(runner.run(host.handle(HttpRequest("GET", "/state"))).body)["pid"]
        runner.run(host.stop())
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/proc/{pid}").exists()


def test_a_function_touches_nothing_but_its_build_and_its_own_folder(
    npm_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the user")
    monkeypatch.setenv("ASAPP_API_SECRET", "of the user")
    monkeypatch.setenv("NODE_OPTIONS", f"--require={secret}")
    logs: list[LogLine] = []
    with asyncio.Runner() as runner:
        host = make_host(install(npm_cache, runner), logs)
        runner.run(host.start())
        site = Site(host, runner, logs)
        answer = json.loads(site.get("/touches", f"outside={secret}").body)
        denied = site.get("/forks")
        runner.run(host.stop())
    found = answer["found"]
    allowed = {name: found.pop(name) for name in ("own", "home", "build", "packages", "linked")}
    assert allowed == {"own": "mine", "home": True, "build": True, "packages": True, "linked": True}
    assert found.pop("addon") == "ERR_DLOPEN_DISABLED"
    assert set(found.values()) == {"ERR_ACCESS_DENIED"}, found
    assert secret.read_text() == "of the user"
    assert not Path(answer["temporary"]).exists()
    assert not {"ASAPP_API_SECRET", "NODE_OPTIONS"} & set(answer["environment"])
    assert denied.status == 500
    assert any("Twilio may allow more" in line.message for line in logs)
