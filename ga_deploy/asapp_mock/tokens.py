"""Stream tokens: JWTs that only this mock can issue. Each opens any number of streams until it expires."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time

LIFETIME_SECONDS = 300


class TokenMint:
    """Issues and checks the token, which is the last part of a stream URL."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, *, mode: str | None = None, lifetime: float = LIFETIME_SECONDS) -> str:
        """Return a token that is good for `lifetime` seconds (below 0: it has expired already)."""
        claims = {"exp": int(time.time() + lifetime), "jti": secrets.token_hex(8)} | ({"mode": mode} if mode else {})
        signed = ".".join(_pack(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{signed}.{self._sign(signed)}"

    def refuse(self, token: str) -> str | None:
        """Return why a token does not open a stream; None if it does."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._sign(signed).encode(), signature.encode()):
            return "unknown token"
        claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
        return "expired token" if claims["exp"] <= time.time() else None

    def _sign(self, text: str) -> str:
        return _pack(hmac.new(self._key, text.encode(), hashlib.sha256).digest())


def _pack(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
