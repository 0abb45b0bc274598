"""Where the record of an environment is kept: a map on Twilio Sync, or a file when there is no access to it.

The record is a history and a hint. Nothing here decides what is live; without it `up` is slower, never wrong.

Keys, newest first when sorted backwards:
    unfinished           what a deployment that has not ended was about to make (one item, overwritten)
    release.000012       a release
    numbers.000          what numbers had before ga-deploy bound them, as earlier versions kept it (`account_numbers`)
    bindings.000012.000  the numbers of a release that has too many for its own item

Sync, file, and the fall-back from one to the other are one contract, so they stand together.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Protocol

from ga_deploy.engine.record.file_store import FileRecords
from ga_deploy.errors import ApiProblem, Denied, EmulatorGone, NotFound, Unreachable
from ga_deploy.events import Report, Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.sync import SyncItem

# Twilio: a Sync item holds 16 KiB. The rest is room for what Twilio adds and for escapes.
ITEM_BYTES = 15_000
# Some kilobytes an item: enough for the newest releases of a few configs, and for the whole of a young record.
_PAGE = 30


class Records(Protocol):
    """The items of one environment's record. Safe to use from several threads."""

    @property
    def where(self) -> str:
        """`sync`, or the path of the file."""

    def newest(self, limit: int) -> list[SyncItem]:
        """Return up to `limit` items, keys sorted backwards; an absent record is empty."""

    def starting_with(self, prefix: str) -> list[SyncItem]:
        """Return every item whose key starts with `prefix`, keys sorted forwards."""

    def announce(self) -> None:
        """Say aloud where the record is kept, if not where it was asked for; called once reading went well."""

    def prepare(self) -> None:
        """Make sure that items can be put; called once there is something to write."""

    def put(self, key: str, content: Mapping[str, object], *, if_match: str | None = None) -> SyncItem:
        """Create or overwrite an item; with `if_match` only if its revision is still that one (else `Conflict`)."""

    def remove(self, key: str) -> None:
        """Remove an item; an absent one is nothing to do."""

    def clear(self) -> None:
        """Remove the record with all its items; an absent one is nothing to do."""


def record_name(service: str, environment: str) -> str:
    """Return the name of an environment's record, within Sync's limit on unique names."""
    return f"ga-deploy.{service}.{environment}"


class SyncRecords:
    """The record as a map in the account's default Sync service.

    What `newest` read is kept when it was the whole map: `starting_with` answers from it, and `put` keeps it right. So
    whoever has to know what others wrote meanwhile calls `newest` again, as every look of a deployment does.
    """

    where = "sync"

    def __init__(self, platform: Platform, name: str) -> None:
        self._platform = platform
        self._name = name
        self._guard = threading.Lock()
        self._whole: dict[str, SyncItem] | None = None
        self._exists = False

    def newest(self, limit: int) -> list[SyncItem]:
        """Return up to `limit` items, keys sorted backwards."""
        listed = self._platform.list_items(self._name, newest_first=True, limit=_PAGE)
        found = sorted(listed, key=lambda item: item.key, reverse=True)
        with self._guard:
            self._exists = self._exists or bool(found)
            self._whole = {item.key: item for item in found} if len(found) < _PAGE else None
        return found[:limit]

    def starting_with(self, prefix: str) -> list[SyncItem]:
        """Return every item whose key starts with `prefix`."""
        with self._guard:
            whole = None if self._whole is None else list(self._whole.values())
        if whole is None:
            whole = self._platform.list_items(self._name, prefix=prefix)
        return sorted((item for item in whole if item.key.startswith(prefix)), key=lambda item: item.key)

    def announce(self) -> None:
        """Nothing to say: it is where it was asked for."""

    def prepare(self) -> None:
        """Create the map unless it is known to exist."""
        if not self._exists:
            self._platform.ensure_map(self._name)
            self._exists = True

    def put(self, key: str, content: Mapping[str, object], *, if_match: str | None = None) -> SyncItem:
        """Create or overwrite an item."""
        item = self._platform.put_item(self._name, key, content, if_match=if_match)
        with self._guard:
            if self._whole is not None:
                self._whole[key] = item
        return item

    def remove(self, key: str) -> None:
        """Remove an item."""
        self._platform.delete_item(self._name, key)
        with self._guard:
            if self._whole is not None:
                self._whole.pop(key, None)

    def clear(self) -> None:
        """Remove the map."""
        with contextlib.suppress(NotFound):
            self._platform.delete_map(self._name)
        with self._guard:
            self._whole, self._exists = None, False


class ForgivingRecords:
    """The record on Sync as long as that works, else in a file: said once, and why.

    A fall-back while reading is told by `announce`, once the rest of the account has answered: with wrong credentials
    everything is refused, and Sync is not the news.
    """

    def __init__(self, on_sync: SyncRecords, in_file: FileRecords, report: Report) -> None:
        self._on_sync = on_sync
        self._in_file = in_file
        self._report = report
        self._chosen: SyncRecords | FileRecords = on_sync
        self._guard = threading.Lock()
        self._unsaid: Warned | None = None

    @property
    def where(self) -> str:
        """`sync`, or the path of the file once Sync has refused."""
        return self._chosen.where

    def newest(self, limit: int) -> list[SyncItem]:
        """Return up to `limit` items, keys sorted backwards."""
        try:
            return self._chosen.newest(limit)
        except ApiProblem as problem:
            self._fall_back(problem)
            return self._chosen.newest(limit)

    def starting_with(self, prefix: str) -> list[SyncItem]:
        """Return every item whose key starts with `prefix`."""
        try:
            return self._chosen.starting_with(prefix)
        except ApiProblem as problem:
            self._fall_back(problem)
            return self._chosen.starting_with(prefix)

    def announce(self) -> None:
        """Say that the record is in a file, and why, if that has not been said."""
        with self._guard:
            unsaid, self._unsaid = self._unsaid, None
        if unsaid:
            self._report(unsaid)

    def prepare(self) -> None:
        """Make sure that items can be put."""
        try:
            self._chosen.prepare()
        except ApiProblem as problem:
            self._fall_back(problem)
            self._chosen.prepare()
        self.announce()

    def put(self, key: str, content: Mapping[str, object], *, if_match: str | None = None) -> SyncItem:
        """Create or overwrite an item."""
        try:
            return self._chosen.put(key, content, if_match=if_match)
        except ApiProblem as problem:
            self._fall_back(problem)
            self.announce()
            return self._chosen.put(key, content)

    def remove(self, key: str) -> None:
        """Remove an item."""
        self._chosen.remove(key)

    def clear(self) -> None:
        """Remove the record with all its items."""
        self._chosen.clear()

    def _fall_back(self, problem: ApiProblem) -> None:
        if not lacks_sync(problem):
            raise problem
        with self._guard:
            if self._chosen is self._in_file:
                # Two calls were refused at the same time.
                return
            self._chosen = self._in_file
            code = f" (code {problem.code})" if problem.code else ""
            self._unsaid = Warned(
                "the record of releases is kept in a local file, and deployments from elsewhere are not locked out",
                why=f"Twilio Sync cannot be used: {problem.what}{code}; the file is {self._in_file.where}. "
                "There is no lease either: a run that wakes from sleep continues to write",
                fix="give the credentials and the network access to Sync, or set `state: local` to agree",
            )


def lacks_sync(problem: ApiProblem) -> bool:
    """Whether there is no access to Sync, so that a file has to do.

    A restricted key is answered 401 or 403 there, an account without Sync 404; where a network does not let Sync's host
    through, no connection comes about. Whatever else fails (a connection that broke, 5xx after all retries) may be over
    in a moment, and two records of one environment would contradict each other.
    """
    if isinstance(problem, Unreachable):
        return not problem.status and not problem.maybe_processed and not isinstance(problem, EmulatorGone)
    return isinstance(problem, Denied) or problem.status in {401, 403, 404, 405, 501}


def open_records(platform: Platform, desired: Desired, in_file: FileRecords, *, state: str, report: Report) -> Records:
    """Return the record of the environment: on Sync unless `state` is `local`. Sends nothing."""
    if state == "local":
        return in_file
    name = record_name(desired.service_name, desired.environment)
    return ForgivingRecords(SyncRecords(platform, name), in_file, report)


def open_account_file(in_file: FileRecords, name: str) -> FileRecords:
    """Return a record of the whole account beside an environment's file."""
    return in_file.beside(f"{name}.json")


def open_file_records(desired: Desired, folder: Path, guard: Callable[[], None]) -> FileRecords:
    """Return the environment's record in a file below `folder`; there need not be one. Reads nothing yet.

    `guard` is called before each write and raises to stop it.
    """
    name = f"{desired.service_name}.{desired.environment}.json"
    return FileRecords(folder / "records" / desired.account_sid / name, guard)
