"""A harness whose calls go to a bound number on the emulator: its voice URL, the deployed functions, the mock ASAPP.

`simulate` runs a config's functions by themselves. This harness plays calls through a real deployment: the settings of
the number, the live build and the variables of the environment.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from ga_deploy.emulator.functions.request_rules import AHEAD_HEADER
from ga_deploy.harness.flow import WEBHOOKS
from ga_deploy.redact import Secret
from ga_deploy.simulate.interpreter.transports import WebError, WebReply, WebRequest
from ga_deploy.simulate.scenario.runner import Setting
from ga_deploy.simulate.scenario.stream_opener import make_opener
from ga_deploy.simulate.voices import read_voice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ga_deploy.local import LocalStack
    from ga_deploy.simulate.judge.expected import Deployment
    from ga_deploy.simulate.scenario.scenario import Scenario


class DeployedHarness:
    """Plays one call at a time. Each call sets the mock's script and faults and removes those of the call before."""

    def __init__(self, stack: LocalStack, deployment: Deployment, token: str, *, speed: float) -> None:
        self.deployment = deployment
        self._stack = stack
        self._token = Secret(token)
        self._speed = speed

    @asynccontextmanager
    async def set_up(self, scenario: Scenario, call_sid: str) -> AsyncIterator[Setting]:
        """Set the mock's script and faults for this call. Raises ValueError if the mock refuses one."""
        del call_sid
        async with aiohttp.ClientSession(trust_env=False) as session:
            wanted = scenario.asapp
            await self._send(session, "POST", "/reset")
            await self._send(session, "POST", "/scripts", {"match": {}, "script": wanted.script})
            for fault in wanted.faults:
                await self._send(session, "POST", "/faults", fault)
            opener = make_opener(
                scenario, self._token, speed=self._speed, read_voice=lambda name: read_voice(name, Path())
            )
            yield Setting(self.deployment, self._fetch(session), opener, self._token)

    async def _send(self, session: aiohttp.ClientSession, method: str, path: str, body: object = None) -> None:
        async with session.request(method, f"{self._stack.asapp_url}/_mock{path}", json=body) as answer:
            if answer.status >= 400:
                raise ValueError(await answer.text())

    def _fetch(self, session: aiohttp.ClientSession) -> Any:
        async def fetch(request: WebRequest) -> WebReply:
            parts = urlsplit(request.url)
            host = parts.hostname or ""
            if not host.endswith(".twil.io") and host != WEBHOOKS:
                raise WebError(11205, f"{host} is not on the emulator, and no other host is contacted")
            url = f"{self._stack.base_url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
            try:
                async with session.request(
                    request.method,
                    url,
                    # The emulator's functions wait by the clock: they have to see the time that a call leaves out.
                    headers={**request.headers, "Host": host, AHEAD_HEADER: f"{request.ahead:.3f}"},
                    data=list(request.form) if request.method == "POST" else None,
                    allow_redirects=False,
                ) as answer:
                    headers = {name.lower(): value for name, value in answer.headers.items()}
                    cookies = tuple(answer.headers.getall("Set-Cookie", []))
                    return WebReply(answer.status, headers, await answer.read(), cookies=cookies)
            except aiohttp.ClientError as problem:
                raise WebError(11205, str(problem)) from problem

        return fetch
