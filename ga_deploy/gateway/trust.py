"""Whom a TLS connection trusts, and through which proxy it goes: the settings that every tool on a machine obeys."""

from __future__ import annotations

import os
import ssl
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import certifi
from requests.utils import get_environ_proxies

from ga_deploy.errors import DeployError, ExitCode
from ga_deploy.gateway.deadline import PunctualAdapter
from ga_deploy.gateway.endpoints import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each may name a PEM file or an OpenSSL directory of hashed names; SSL_CERT_DIR several, separated as PATH is.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

# Their authorities are in no file that OpenSSL could read. Elsewhere truststore would read a file, as we do, but anew
# for each connection, which takes some 40 ms.
_OWN_STORES = ("darwin", "win32")
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def open_tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a verifying TLS context: what the CA variables name, all of them together.

    Without any, what this system trusts (where companies put authorities of their own) and the public authorities.

    Raises DeployError (exit 3) if a variable names something that is missing or holds no certificate.
    """
    sources = list_ca_sources(environ)
    # Often all variables name the same bundle, and reading one takes some 40 ms.
    distinct = {path.resolve(): variable for variable, path in reversed(sources)}
    return _trust(tuple((variable, path, _changed(path)) for path, variable in distinct.items()))


@lru_cache(maxsize=16)
def _trust(sources: tuple[tuple[str, Path, int], ...]) -> ssl.SSLContext:
    if not sources:
        return trust_system()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for variable, path, _ in sources:
        try:
            if path.is_dir():
                context.load_verify_locations(capath=str(path))
            else:
                context.load_verify_locations(cafile=str(path))
        except (OSError, ssl.SSLError) as problem:
            why = "it holds no certificate in PEM form" if isinstance(problem, ssl.SSLError) else str(problem.strerror)
            raise DeployError(
                f"{variable} cannot be used: {path}",
                why=why,
                fix=f"correct or unset {variable}",
                exit_code=ExitCode.INVALID,
            ) from None
    return context


def trust_system(platform: str = sys.platform) -> ssl.SSLContext:
    """Return a verifying TLS context that trusts what this system does, and the public authorities."""
    if platform in _OWN_STORES:
        import truststore

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_default_verify_paths()
        if not context.get_ca_certs() and not ssl.get_default_verify_paths().capath:
            # A Python that brings its own OpenSSL looks where that was built.
            found = next(filter(os.path.isfile, _SYSTEM_FILES), None)
            if found:
                context.load_verify_locations(cafile=found)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=certifi.where())
    return context


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def list_ca_sources(environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Return the files and directories that the CA variables name, each with the variable's name; for `doctor` too."""
    sources: list[tuple[str, Path]] = []
    for variable in CA_VARIABLES:
        value = environ.get(variable, "")
        places = value.split(os.pathsep) if variable == "SSL_CERT_DIR" else [value]
        sources += [(variable, Path(place)) for place in places if place]
    return sources


def choose_proxies(url: str) -> dict[str, str]:
    """Return the proxies for a URL by the standard variables, as `requests` reads them; none for this machine."""
    if is_loopback(urlsplit(url).hostname or ""):
        return {}
    return dict(get_environ_proxies(url))


class TrustingAdapter(PunctualAdapter):
    """Connects, directly and through proxies, with one TLS context of ours instead of the bundle requests picks."""

    def __init__(self, context: ssl.SSLContext, pool_size: int) -> None:
        self._context = context
        super().__init__(pool_connections=pool_size, pool_maxsize=pool_size)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Hand the context to direct connections."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Hand the context to connections through a proxy, and to one that is itself reached by TLS."""
        if not proxy.lower().startswith("socks"):
            options["proxy_ssl_context"] = self._context
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        """Require a certificate. requests would add its own bundle to the context here, widening what is trusted."""
        if url.lower().startswith("https"):
            conn.cert_reqs = "CERT_REQUIRED"
