"""A corporate network for tests: a private certificate authority, and a CONNECT proxy that leads to a stand-in.

    ca = PrivateCa(tmp_path)
    certificate = ca.issue("serverless.twilio.com", "*.twil.io", …)      # for the stand-in's own TLS
    with ConnectProxy(("127.0.0.1", port)) as proxy:
        environ = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca.file)}

Whatever host a client CONNECTs to, it ends at the stand-in, inside TLS that the client itself verifies.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import select
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

TWILIO_HOSTS = (
    "api.twilio.com",
    "serverless.twilio.com",
    "serverless-upload.twilio.com",
    "studio.twilio.com",
    "sync.twilio.com",
    "webhooks.twilio.com",
    "*.twil.io",
)


class PrivateCa:
    """A certificate authority that nobody knows; `file` is its certificate in PEM form."""

    def __init__(self, folder: Path, name: str = "Test Network CA") -> None:
        self._folder = folder
        self._common_name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = (
            self._start(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name.lower().replace(' ', '-')}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def subject_hash(self) -> str:
        """The name under which OpenSSL looks for the certificate in a folder (its canonical form of the subject)."""
        text = self._common_name.lower().encode()
        value = b"\x06\x03\x55\x04\x03" + b"\x0c" + bytes([len(text)]) + text
        pair = b"\x30" + bytes([len(value)]) + value
        digest = hashlib.sha1(b"\x31" + bytes([len(pair)]) + pair, usedforsecurity=False).digest()
        return f"{int.from_bytes(digest[:4], 'little'):08x}"

    def issue(self, *hosts: str) -> tuple[Path, Path]:
        """Return certificate and key files for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._start(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])]), key)
            .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = self._folder / f"{hosts[0]}.crt", self._folder / f"{hosts[0]}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _start(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class ConnectProxy:
    """An HTTP proxy that only knows CONNECT; every tunnel ends at `upstream`. `connects` lists the hosts asked for.

    With `user` it wants `Proxy-Authorization`. `refuse` are hosts that get 403. What is not CONNECT gets 405 and is
    listed in `others`, so that a request which must not go through a proxy can be seen to have done so.
    """

    def __init__(
        self, upstream: tuple[str, int], *, user: tuple[str, str] | None = None, refuse: tuple[str, ...] = ()
    ) -> None:
        self.upstream = upstream
        self.connects: list[str] = []
        self.others: list[str] = []
        self._user = user
        self._refuse = refuse
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                proxy._serve(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """The proxy's address, for HTTPS_PROXY."""
        login = f"{self._user[0]}:{self._user[1]}@" if self._user else ""
        return f"http://{login}127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ConnectProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: Any) -> None:
        first = handler.rfile.readline(8192).decode("latin-1").split()
        headers: dict[str, str] = {}
        while line := handler.rfile.readline(8192).decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if len(first) < 2 or first[0] != "CONNECT":
            self.others.append(" ".join(first[:2]))
            handler.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        host = first[1].rpartition(":")[0]
        self.connects.append(host)
        if self._user and headers.get("proxy-authorization") != _basic(*self._user):
            handler.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if host in self._refuse:
            handler.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(self.upstream, timeout=10) as upstream:
            handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _pump(handler.connection, upstream)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _pump(one: socket.socket, other: socket.socket) -> None:
    ends = {one: other, other: one}
    while True:
        readable, _, _ = select.select(list(ends), [], [], 30)
        if not readable:
            return
        for end in readable:
            try:
                chunk = end.recv(65536)
                if not chunk:
                    return
                ends[end].sendall(chunk)
            except OSError:
                return
