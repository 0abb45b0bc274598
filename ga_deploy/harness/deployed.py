"""A stage whose calls ring a bound number: its voice URL, the functions deployed on the emulator, the mock ASAPP there.

Where `simulate` runs a config's functions by themselves, this one plays calls through what a deployment really left
behind: the number's own settings, the live build, the environment's variables.
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


class DeployedStage:
    """Plays one call at a time: the mock's script and faults are set before it, and forgotten after it."""

    def __init__(self, stack: LocalStack, deployment: Deployment, token: str, *, speed: float) -> None:
        self.deployment = deployment
        self._stack = stack
        self._token = Secret(token)
        self._speed = speed

    @asynccontextmanager
    async def set_up(self, scenario: Scenario, call_sid: str) -> AsyncIterator[Setting]:
        """Tell the mock what this call is about. Raises `ValueError` for a script or fault that the mock refuses."""
        del call_sid
        async with aiohttp.ClientSession(trust_env=False) as session:
            wanted = scenario.asapp
            await self._tell(session, "POST", "/reset")
            await self._tell(session, "POST", "/scripts", {"match": {}, "script": wanted.script})
            for fault in wanted.faults:
                await self._tell(session, "POST", "/faults", fault)
            opener = make_opener(
                scenario, self._token, speed=self._speed, read_voice=lambda name: read_voice(name, Path())
            )
            yield Setting(self.deployment, self._fetch(session), opener, self._token)

    async def _tell(self, session: aiohttp.ClientSession, method: str, path: str, body: object = None) -> None:
        async with session.request(method, f"{self._stack.asapp_url}/_mock{path}", json=body) as answer:
            if answer.status >= 400:
                raise ValueError(await answer.text())

    def _fetch(self, session: aiohttp.ClientSession) -> Any:
        async def fetch(request: WebRequest) -> WebReply:
            parts = urlsplit(request.url)
            host = parts.hostname or ""
            if not host.endswith(".twil.io") and host != WEBHOOKS:
                raise WebError(11205, f"{host} is not on the emulator, and nobody else is called from here")
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
