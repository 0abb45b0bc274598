"""What a server may send to Twilio on a media stream, and what breaks the protocol (Twilio docs: error 31924)."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass


class ProtocolBroken(Exception):
    """The server sent what Twilio answers with 31924; the text completes "the server sent …"."""


@dataclass(frozen=True)
class Media:
    """µ-law to be played."""

    audio: bytes


@dataclass(frozen=True)
class Mark:
    """A name to be sent back when everything before it has been played."""

    name: str


@dataclass(frozen=True)
class Clear:
    """Throw away what has not been played."""


def read_server_message(text: str, stream_sid: str) -> Media | Mark | Clear:
    """Return what a text message of the server says. Raises ProtocolBroken."""
    try:
        message = json.loads(text)
        event = message["event"]
    except (ValueError, TypeError, KeyError):
        raise ProtocolBroken("a message that is no JSON object with an `event`") from None
    if event not in {"media", "mark", "clear"}:
        raise ProtocolBroken(f"an unknown message `{str(event)[:40]}`")
    if message.get("streamSid") != stream_sid:
        raise ProtocolBroken(f"a `{event}` for another stream")
    if event == "clear":
        return Clear()
    if event == "mark":
        name = message["mark"].get("name") if isinstance(message.get("mark"), dict) else None
        if not isinstance(name, str):
            raise ProtocolBroken("a mark without a name")
        return Mark(name)
    try:
        return Media(base64.b64decode(message["media"]["payload"], validate=True))
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ProtocolBroken("media without a payload in base64") from None
