"""Documents and map items of Twilio Sync, where the record and the lock are kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SyncDocument:
    """A Sync document; `revision` goes into If-Match. The gateway sets `expired` by Twilio's clock."""

    unique_name: str
    revision: str
    data: dict[str, object]
    date_expires: str | None = None
    expired: bool = False
    sid: str = ""


@dataclass(frozen=True)
class SyncItem:
    """An item of a Sync map."""

    key: str
    revision: str
    data: dict[str, object]
