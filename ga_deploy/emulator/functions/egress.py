"""How this machine reaches other hosts: what functions under test need to know of its network, without seeing it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


def describe_egress(environ: Mapping[str, str]) -> dict[str, object]:
    """Return the proxy for https, the hosts that do without it, and certificates in PEM form, as egress.js takes them.

    All of them may be empty. What is no proxy for HTTP and a bundle that cannot be read are left out: a connection that
    needs them fails, and says so.
    """

    def setting(name: str) -> str:
        return environ.get(name.lower()) or environ.get(name) or ""

    proxy = setting("HTTPS_PROXY") or setting("ALL_PROXY")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    exceptions = [_host_of(name) for name in setting("NO_PROXY").split(",")]
    paths = dict.fromkeys(environ[name] for name in _BUNDLES if environ.get(name))
    return {
        "proxy": proxy if _is_proxy(proxy) else "",
        "exceptions": [name for name in exceptions if name],
        "certificates": "\n".join(filter(None, map(_read_bundle, paths))),
    }


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _host_of(exception: str) -> str:
    host, _, port = exception.strip().lower().partition(":")
    return (host if port.isdigit() else exception.strip().lower()).lstrip(".")


def _read_bundle(name: str) -> str:
    path = Path(name)
    found: dict[str, None] = {}
    # ValueError: a path with a null byte, or with characters that no file name has.
    with contextlib.suppress(OSError, ValueError):
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            with contextlib.suppress(OSError, ValueError):
                text = file.read_text("utf-8")
                if _CERTIFICATE in text:
                    found[text] = None
    return "\n".join(found)
