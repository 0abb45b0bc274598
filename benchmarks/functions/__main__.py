"""Our `/engage` against the guide's way: warm, cold, and how often ASAPP is asked. See README.md beside this file."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.emulator.functions.host import FunctionHost, Handler, HttpRequest, sign
from ga_deploy.emulator.functions.npm import NodePackages
from ga_deploy.redact import Secret
from ga_deploy.render import render

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCOUNT = "AC" + "0" * 32
TOKEN = "benchmark-auth-token"
DOMAIN = "bench-1234.twil.io"
PACKAGES = {"twilio": "5.0.3", "axios": "1.20.0"}  # what the platform has by default, and what our config declares
ASAPP_MS = 80
WARM_CALLS = 60
COLD_STARTS = 15
CALLS = 1000
MINUTES = 4

WAYS = {"ours": "/engage", "guide": "/guide", "guide, cached": "/guide-cached"}


class Asapp:
    """Answers every request with a stream URL, `delay` seconds later, and counts."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.requests = 0
        self.url = ""

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"streamingUrl": "wss://media.example.com/mg-twilio-genagent/twilio-media/token"}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                await asyncio.sleep(self.delay)
                writer.write(head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def webhook(path: str, number: int = 1) -> HttpRequest:
    form = {"CallSid": f"CA{number:032x}", "AccountSid": ACCOUNT, "From": "+15551112222", "To": "+15550100000"}
    form |= {"CallStatus": "in-progress", "Direction": "inbound"}
    signature = sign(TOKEN, f"https://{DOMAIN}{path}", {name: [value] for name, value in form.items()})
    headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Twilio-Signature", signature)]
    return HttpRequest("POST", path, "", headers, urlencode(form).encode())


def handlers(asapp: Asapp, folder: Path) -> list[Handler]:
    stand_in = LocalStandIn(ACCOUNT, Secret(TOKEN), asapp.url, Secret("bench-id"), Secret("bench-secret"))
    config = load_config(ROOT / "config.example.yaml", local=stand_in, environ={})
    functions = [(one.path, one.visibility, one.content) for one in render(config).functions]
    for name in ("guide", "guide-cached", "clock"):
        text = (HERE / f"{name}.js").read_text(encoding="utf-8")
        functions.append((f"/{name}", "public" if name == "clock" else "protected", text))
    return [Handler(path, seen, text, f"ZN{at:032x}") for at, (path, seen, text) in enumerate(functions)]


async def answer(host: FunctionHost, call: HttpRequest) -> None:
    given = await host.handle(call)
    if given.status != 200 or (call.path != "/clock" and b"<Connect" not in given.body):
        raise SystemExit(f"{call.path} answered {given.status}: {given.text[:300]}")


async def measure_warm(host: FunctionHost, asapp: Asapp) -> dict[str, float]:
    asapp.delay = ASAPP_MS / 1000
    for path in WAYS.values():
        await answer(host, webhook(path))
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(WARM_CALLS):
        for name, path in WAYS.items():
            call = webhook(path, number)
            started = time.perf_counter()
            await answer(host, call)
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in seconds.items()}


async def measure_cold(host: FunctionHost, asapp: Asapp) -> dict[str, float]:
    asapp.delay = 0
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(COLD_STARTS):
        for name, path in WAYS.items():
            start = await host.measure_cold_start(webhook(path, number))
            if start.answer.status != 200:
                raise SystemExit(f"{path} answered {start.answer.status}")
            seconds[name].append(start.first_call)
    return {name: statistics.median(each) for name, each in seconds.items()}


async def count_requests(make: Callable[[], FunctionHost], asapp: Asapp) -> dict[str, int]:
    asapp.delay = 0
    counted = {}
    for name, path in WAYS.items():
        async with make() as host:
            asapp.requests = 0
            begun = time.time() * 1000
            for number in range(CALLS):
                now = begun + number * MINUTES * 60_000 / CALLS
                await answer(host, HttpRequest("GET", "/clock", f"now={now:.0f}"))
                await answer(host, webhook(path, number))
            counted[name] = asapp.requests
    return counted


def show(what: str, measured: dict[str, float], limit: float) -> bool:
    ratio = measured["ours"] / measured["guide"]
    for name, seconds in measured.items():
        print(f"  {what:<28} {name:<15} {seconds * 1000:8.1f} ms   {seconds / measured['guide']:6.3f} of the guide's")
    print(
        f"  {what:<28} ours is {ratio:.3f} of the guide's, {limit} promised: {'kept' if ratio <= limit else 'BROKEN'}\n"
    )
    return ratio <= limit


async def main() -> int:
    asapp = Asapp()
    server = await asapp.start()
    cache = ROOT / ".pytest_cache" / "d" / "packages" / "ga-deploy" / "npm"
    packages = await NodePackages(cache).install(PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        served = handlers(asapp, Path(folder))
        access = {"ASAPP_API_HOST": asapp.url, "ASAPP_API_ID": "bench-id", "ASAPP_API_SECRET": "bench-secret"}

        def make() -> FunctionHost:
            context = {"DOMAIN_NAME": DOMAIN, **access}
            return FunctionHost(
                node_modules=packages, handlers=served, context=context, account_sid=ACCOUNT, auth_token=TOKEN
            )

        async with make() as host:
            warm = await measure_warm(host, asapp)
            cold = await measure_cold(host, asapp)
        counted = await count_requests(make, asapp)
    server.close()
    kept = [
        show(f"warm, ASAPP at {ASAPP_MS} ms", warm, 0.1),
        show("first call of a process", cold, 0.45),
    ]
    for name, requests in counted.items():
        print(f"  {CALLS:,} calls in {MINUTES} minutes   {name:<15} {requests:5} requests for stream URLs")
    kept.append(counted["ours"] <= 1)
    print(f"  1 promised: {'kept' if kept[-1] else 'BROKEN'}")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
