"""The opening of a media stream: its URL, certificates, proxy and signature, and what Twilio calls each refusal."""

from __future__ import annotations

import asyncio
import os
import ssl
import urllib.request
from functools import cache
from urllib.parse import urlsplit

import aiohttp

from ga_deploy.simulate.interpreter.webhook import sign
from ga_deploy.simulate.media.stream import Ending, StreamOptions, StreamOutcome, StreamRequest

# Twilio's error codes (Twilio docs: Errors 31901, 31903, 31920, 31921, 31924).
CODES = {
    Ending.SERVER_CLOSED: 31921,
    Ending.REFUSED: 31920,
    Ending.UNREACHABLE: 31901,
    Ending.BROKEN: 31903,
    Ending.PROTOCOL: 31924,
}
_LONGEST_MESSAGE = 4 * 1024 * 1024


def sign_upgrade(request: StreamRequest) -> dict[str, str]:
    """Return the signature header of the upgrade request: HMAC-SHA1 over the stream's URL alone."""
    if request.auth_token is None:
        return {}
    return {"X-Twilio-Signature": sign(request.auth_token, request.url, ())}


def check_url(url: str) -> str:
    """Say why Twilio would not open this URL, or nothing; plain `ws://` is let through on this machine only."""
    try:
        parts = urlsplit(url)
        local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    except ValueError:
        return "the stream's URL cannot be read"
    if parts.scheme != "wss" and not (parts.scheme == "ws" and local):
        return "the stream's URL is not wss://"
    if not parts.hostname:
        return "the stream's URL has no host"
    return "the stream's URL has a query string" if parts.query else ""


def trust() -> ssl.SSLContext:
    """Return the certificates to believe: the system's, and those of the usual settings.

    Raises OSError (an SSLError is one) when a setting names what cannot be read as certificates.
    """
    bundles = tuple(os.environ.get(name, "") for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    return _read_certificates(bundles, tuple(os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")))


@cache
def _read_certificates(bundles: tuple[str, ...], _: tuple[str, ...]) -> ssl.SSLContext:
    """Read them once: it takes as long as several frames of audio. The system's own are where OpenSSL is told."""
    context = ssl.create_default_context()
    for bundle in filter(None, bundles):
        context.load_verify_locations(**{"capath" if os.path.isdir(bundle) else "cafile": bundle})  # noqa: PTH112
    return context


def _find_proxy(url: str) -> str | None:
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get("https") if parts.scheme == "wss" else None


async def connect(
    session: aiohttp.ClientSession, request: StreamRequest, options: StreamOptions
) -> aiohttp.ClientWebSocketResponse | StreamOutcome:
    """Return the open WebSocket, or the outcome of a stream that never opened."""

    def end(ending: Ending, reason: str, status: int | None = None) -> StreamOutcome:
        return StreamOutcome(ending, CODES[ending], reason, status=status)

    try:
        async with asyncio.timeout(options.connect_timeout):
            return await session.ws_connect(
                request.url,
                headers=sign_upgrade(request),
                proxy=_find_proxy(request.url),
                max_msg_size=_LONGEST_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            )
    except TimeoutError:
        return end(Ending.UNREACHABLE, f"no answer within {options.connect_timeout:g} s")
    except aiohttp.WSServerHandshakeError as error:
        return end(Ending.REFUSED, f"the handshake was answered with {error.status}", error.status)
    except aiohttp.ClientConnectorCertificateError as error:
        return end(Ending.UNREACHABLE, f"the certificate is not accepted: {error.certificate_error}")
    except aiohttp.ClientSSLError as error:
        return end(Ending.UNREACHABLE, f"TLS failed: {error.os_error.strerror or error.os_error}")
    except aiohttp.ClientConnectorError as error:
        return end(Ending.UNREACHABLE, f"no connection: {error.os_error.strerror or error.os_error}")
    except aiohttp.ClientHttpProxyError as error:
        return end(Ending.UNREACHABLE, f"the proxy answered with {error.status}")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return end(Ending.REFUSED, f"the handshake failed: {error}")
