"""Answers that no healthy server gives: headers that never end, a list that always promises one page more."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from ga_deploy.emulator.routing import RequestAddress

# No client takes a header line of 64 KiB.
_MOST_BYTES = 2**16
_NUMBERS = itertools.count(1)


async def trickle(request: web.Request, seconds: float) -> None:
    """Send a byte of a header every so many seconds, until the client hangs up; the answer itself never comes."""
    transport = request.transport
    if transport is None:
        return
    transport.write(b"HTTP/1.1 200 OK\r\nX-Trickle: ")
    for _ in range(_MOST_BYTES):
        await asyncio.sleep(seconds)
        if transport.is_closing():
            return
        transport.write(b".")


def promise_more(address: RequestAddress, response: web.StreamResponse) -> web.StreamResponse:
    """Return the page of a list with a link to yet another one, which has not been asked for before."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    body = json.loads(response.body)
    # Twilio takes a page's number without its token for the first page.
    link = f"{address.base}{address.path}?Page={next(_NUMBERS)}"
    if isinstance(body.get("meta"), dict):
        body["meta"]["next_page_url"] = link
    else:
        body["next_page_uri"] = link
    return web.json_response(body, status=response.status)
