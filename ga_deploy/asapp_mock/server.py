"""A stand-in for ASAPP: the REST endpoints that an integration uses, and the media gateway with a scripted agent.

Paths, bodies and errors are those of ASAPP's published API descriptions. The control plane is under `/_mock/`: scripts,
faults, and the requests and calls so far. Paths are relative to where the application is mounted. Long because it
holds every endpoint of the mock: REST, stream and control.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ga_deploy.asapp_mock.calls import Call, CallBook
from ga_deploy.asapp_mock.faults import FaultBoard, read_fault
from ga_deploy.asapp_mock.performance import Departure, Performance
from ga_deploy.asapp_mock.script import SHIPPED, Say, Script, read_script
from ga_deploy.asapp_mock.tokens import TokenMint
from ga_deploy.loopback_server import refuse_web_pages
from ga_deploy.strict_json import read_json

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from ga_deploy.asapp_mock.faults import Fault
    from ga_deploy.asapp_mock.performance import Output

    Endpoint = Callable[[web.Request, Fault | None], Awaitable[web.StreamResponse]]

_STREAM_URL = "/mg-genagent/v1/twilio-media-stream-url"
_STREAM = "/mg-twilio-genagent/twilio-media/"
_MODES = {"cascade", "s2s"}
_SPOILED = {"empty": "", "not-json": "<html>Bad gateway</html>", "no-url": "{}", "failed": '{"healthCheck": "FAILED"}'}
_LONGEST_MESSAGE = 1024 * 1024


class MockAsapp:
    """The mock as an aiohttp application (`app`): mount it, or run it by itself with `start` and `stop`.

    Requests must carry exactly `api_id` and `api_secret`. `script` is for calls that choose no other.
    """

    def __init__(self, api_id: str, api_secret: str, *, script: Script = SHIPPED["agent"]) -> None:
        self.calls = CallBook(script)
        self.faults = FaultBoard()
        self.requests: deque[dict[str, Any]] = deque(maxlen=10_000)
        self._credentials = (api_id, api_secret)
        self._mint = TokenMint()
        self._runner: web.AppRunner | None = None
        self.app = self.application()

    def application(self) -> web.Application:
        """Return a new aiohttp application with all routes, to serve or to mount below a path of another one."""
        application = web.Application(client_max_size=_LONGEST_MESSAGE, middlewares=[refuse_web_pages()])
        application.add_routes(self._routes())
        return application

    async def start(self, port: int = 0, *, ssl_context: ssl.SSLContext | None = None) -> str:
        """Listen on loopback (`port` 0: any free one) and return the base URL."""
        self._runner = web.AppRunner(self.app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=ssl_context)
        await site.start()
        assert site._server is not None  # noqa: SLF001 - aiohttp has no other way to the port it was given
        chosen = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined] # noqa: SLF001
        return f"{'https' if ssl_context else 'http'}://127.0.0.1:{chosen}"

    async def stop(self) -> None:
        """Stop listening, and cut open streams."""
        if self._runner is not None:
            server = self._runner.server
            open_ones = [one.transport for one in server.connections] if server else []
            await self._runner.cleanup()
            for transport in open_ones:
                if transport is not None:
                    transport.abort()  # TLS would wait for the other side's goodbye, longer than this loop lives
            await asyncio.sleep(0)

    def issue_token(self) -> str:
        """Return a token that opens streams for five minutes, as the stream URL carries one."""
        return self._mint.issue()

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/health", self._guard("health", self._health)),
            web.get(_STREAM_URL, self._guard("stream-url", self._stream_url)),
            web.get("/generativeagent/v1/call-transfers/{id}", self._guard("call-transfer", self._call_transfer)),
            web.get("/generativeagent/v1/state", self._guard("state", self._state)),
            web.get("/conversation/v1/conversation/messages", self._guard("messages", self._messages)),
            web.get(f"{_STREAM}{{token}}", self._stream),
            web.get("/_mock/calls", self._list_calls),
            web.get("/_mock/requests", self._list_requests),
            web.get("/_mock/faults", self._list_faults),
            web.post("/_mock/faults", self._add_fault),
            web.delete("/_mock/faults", self._clear_faults),
            web.post("/_mock/scripts", self._add_script),
            web.delete("/_mock/scripts", self._clear_scripts),
            web.post("/_mock/reset", self._reset),
        ]

    def _guard(self, name: str, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            fault = self.faults.take(name)
            response: web.StreamResponse | None = await self._meet(fault)
            if response is None and not self._knows(request):
                response = _problem(401, "Unauthorized")
            if response is None:
                response = await endpoint(request, fault)
            self.requests.append({"endpoint": name, "path": request.path, "status": response.status})
            return response

        return guarded

    def _knows(self, request: web.Request) -> bool:
        names = ("asapp-api-id", "asapp-api-secret")
        given = "\0".join(request.headers.get(name, "") for name in names)
        return hmac.compare_digest(given.encode(), "\0".join(self._credentials).encode())

    async def _meet(self, fault: Fault | None) -> web.Response | None:
        if fault is None:
            return None
        await asyncio.sleep(24 * 3600 if fault.hang else fault.latency_ms / 1000)
        if fault.status:
            return _problem(fault.status, "a fault of the test")
        if fault.body in _SPOILED:
            kind = "text/html" if fault.body == "not-json" else "application/json"
            return web.Response(text=_SPOILED[fault.body], content_type=kind)
        return None

    async def _health(self, _request: web.Request, _fault: Fault | None) -> web.Response:
        return web.json_response({"healthCheck": "SUCCESS"})

    async def _stream_url(self, request: web.Request, fault: Fault | None) -> web.Response:
        mode = request.query.get("voiceAgentMode")
        if mode is not None and mode not in _MODES:
            return _problem(400, f"voiceAgentMode must be one of {sorted(_MODES)}")
        spoiled = fault.body if fault else ""
        token = self._mint.issue(mode=mode, lifetime=-1) if spoiled == "expired-token" else self._mint.issue(mode=mode)
        if spoiled == "unknown-token":
            token = TokenMint().issue(mode=mode)
        mounted_at = request.path.removesuffix(_STREAM_URL)
        scheme = "wss" if request.scheme == "https" else "ws"
        return web.json_response({"streamingUrl": f"{scheme}://{request.host}{mounted_at}{_STREAM}{token}"})

    async def _call_transfer(self, request: web.Request, _fault: Fault | None) -> web.Response:
        call = self.calls.find(request.match_info["id"])
        if call is None:
            return _problem(404, "no such call transfer")
        report = call.script.report
        await asyncio.sleep(report.latency_ms / 1000)
        if report.http_status and call.ended_at is not None and call.errors_given < (report.http_times or 1_000_000):
            call.errors_given += 1
            return _problem(report.http_status, "an error of the script")
        status = call.status()
        return (
            _problem(404, "no such call transfer")
            if status is None
            else web.json_response(call.describe_transfer(status))
        )

    async def _state(self, request: web.Request, _fault: Fault | None) -> web.Response:
        calls = self.calls.conversation(request.query.get("externalId", ""))
        if not calls:
            return _problem(404, "no such conversation")
        call = calls[-1]
        transfer = call.describe_transfer(call.status() or "ONGOING").get("outputContext", {})
        states = {"AGENT": "transferredToAgent", "SYSTEM": "transferredToSystem"}
        return web.json_response(
            {
                "state": states.get(transfer.get("transferType"), "ready" if call.ended_at else "processing"),
                "currentTaskName": transfer.get("currentTaskName") or call.parameters.get("taskName", ""),
                "inputVariables": call.input_variables,
                "lastGenerativeAgentMessageId": f"{call.stream_sid}-{len(call.script.steps)}",
            }
        )

    async def _messages(self, request: web.Request, _fault: Fault | None) -> web.Response:
        calls = self.calls.conversation(request.query.get("externalId", ""))
        if not calls:
            return _problem(404, "no such conversation")
        items = [
            {
                "text": step.text,
                "sender": {"role": "agent", "externalId": "generative-agent"},
                "messageId": f"{call.stream_sid}-{at}",
                "createdTimestamp": call.describe_transfer("ONGOING")["createdAt"],
                "clientTimestamp": call.describe_transfer("ONGOING")["createdAt"],
            }
            for call in calls
            for at, step in enumerate(call.script.steps[: call.performance.steps_begun])
            if isinstance(step, Say)
        ]
        return web.json_response({"items": items})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        refusal = await self._meet(self.faults.take("stream"))
        reason = self._mint.refuse(request.match_info["token"])
        if refusal is None and reason is not None:
            refusal = _problem(401, reason)
        self.requests.append({"endpoint": "stream", "path": _STREAM, "status": refusal.status if refusal else 101})
        if refusal is not None:
            return refusal
        socket = web.WebSocketResponse(compress=False, max_msg_size=_LONGEST_MESSAGE, autoping=True)
        await socket.prepare(request)
        await self._serve(request, socket)
        return socket

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        call: Call | None = None
        by = "broken"
        # A peer that breaks the protocol or the connection ends its own stream and nothing else.
        with contextlib.suppress(ConnectionError, ValueError, KeyError, TypeError):
            async for received in socket:
                message = read_json(received.data)
                if message["event"] == "stop":
                    by = "caller"
                    break
                if message["event"] == "start":
                    call = self._answer(message)
                    outputs = call.performance.begin()
                else:
                    outputs = call.performance.hear(message) if call else []
                departure = await _send_all(socket, outputs)
                if departure is not None:
                    by = "agent" if departure is Departure.CLOSE else "broken"
                    break
        if call is not None:
            call.end(by)
        if by == "broken" and request.transport is not None:
            request.transport.abort()
        else:
            await socket.close()

    def _answer(self, message: dict[str, Any]) -> Call:
        start = message["start"]
        parameters = {str(name): str(value) for name, value in start.get("customParameters", {}).items()}
        performance = Performance(self.calls.choose(parameters), start["streamSid"])
        call = Call(start["streamSid"], start["callSid"], parameters, performance)
        self.calls.add(call)
        return call

    async def _list_calls(self, _request: web.Request) -> web.Response:
        return web.json_response([call.describe() for call in self.calls.all()])

    async def _list_requests(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self.requests))

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return web.json_response(self.faults.describe())

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self.faults.add(read_fault(read_json(await request.read())))
        except (ValueError, TypeError) as error:
            return _problem(400, str(error))
        return web.Response(status=204)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self.faults.clear(request.query.get("endpoint"))
        return web.Response(status=204)

    async def _add_script(self, request: web.Request) -> web.Response:
        try:
            rule = read_json(await request.read())
            script = SHIPPED[rule["script"]] if isinstance(rule["script"], str) else read_script(rule["script"])
            self.calls.add_rule(rule.get("match", {}), script, int(rule.get("times", 0)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _problem(400, f"not a script: {error}")
        return web.Response(status=204)

    async def _clear_scripts(self, _request: web.Request) -> web.Response:
        self.calls.clear_rules()
        return web.Response(status=204)

    async def _reset(self, _request: web.Request) -> web.Response:
        self.calls.clear_rules()
        self.calls.forget()
        self.faults.clear()
        self.requests.clear()
        return web.Response(status=204)


async def _send_all(socket: web.WebSocketResponse, outputs: list[Output]) -> Departure | None:
    for output in outputs:
        if isinstance(output, Departure):
            return output
        await socket.send_str(output)
    return None


def _problem(status: int, message: str) -> web.Response:
    """ASAPP's error body (ASAPP docs: Errors), with a request id of its own."""
    error = {"requestId": str(uuid.uuid4()), "message": message, "code": f"{status}-01"}
    return web.json_response({"error": error}, status=status)
