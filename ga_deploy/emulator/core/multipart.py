"""Reads the body of an upload: multipart/form-data (RFC 7578)."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING

from ga_deploy.emulator.core.api import Upload
from ga_deploy.emulator.core.problems import invalid

if TYPE_CHECKING:
    from ga_deploy.emulator.core.api import Fields


def read_multipart(content_type: str, body: bytes) -> tuple[Fields, dict[str, Upload]]:
    """Return the plain fields and the files of a body; raises the 400 for one that is cut or has no boundary.

    A part is a file when it names a file, as browsers and Twilio's toolkit send it.
    """
    boundary = _header("Content-Type", content_type).get_param("boundary")
    if not isinstance(boundary, str):
        raise invalid("The multipart body has no boundary")
    # The first delimiter may stand without the line break that belongs to all others.
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise invalid("The multipart body is incomplete")
    fields: Fields = {}
    files: dict[str, Upload] = {}
    for piece in pieces[1:-1]:
        head, separator, content = piece.partition(b"\r\n\r\n")
        if not separator:
            raise invalid("A part of the multipart body has no headers")
        lines = dict(line.split(":", 1) for line in head.decode(errors="replace").split("\r\n") if ":" in line)
        headers = {name.strip().lower(): value.strip() for name, value in lines.items()}
        disposition = _header("Content-Disposition", headers.get("content-disposition", ""))
        name = disposition.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise invalid("A part of the multipart body has no name")
        file_name = disposition.get_param("filename", header="content-disposition")
        if isinstance(file_name, str):
            files[name] = Upload(content, headers.get("content-type"), file_name)
        else:
            fields.setdefault(name, []).append(content.decode(errors="replace"))
    return fields, files


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value.replace("\r", "").replace("\n", "")
    return message
