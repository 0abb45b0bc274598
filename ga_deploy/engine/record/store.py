"""The storage of an environment's record: a map on Twilio Sync, or a file without access to Sync.

The record is a history and a hint. It never decides what is live; without it `up` is slower, not wrong.

Keys, newest first when sorted backwards:
    unfinished           what an unfinished deployment was about to create (one item, overwritten)
    release.000012       a release
    numbers.000          the settings of numbers before ga-deploy bound them, of earlier versions (`account_record`)
    bindings.000012.000  the numbers of a release, if they do not fit into its item

Sync, file, and the fallback from Sync to the file have one interface, so they are in one file.
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

# Twilio: a Sync item holds 16 KiB. The rest is for what Twilio adds and for escapes.
ITEM_BYTES = 15_000
# An item has some kilobytes: this reads the newest releases of a few configs, or all of a small record.
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
        """Warn if the record is not where it was requested; called after the first successful read."""

    def prepare(self) -> None:
        """Make writing items possible; called before the first write."""

    def put(self, key: str, content: Mapping[str, object], *, if_match: str | None = None) -> SyncItem:
        """Create or overwrite an item; with `if_match` only if its revision is still that one (else `Conflict`)."""

    def remove(self, key: str) -> None:
        """Remove an item; an absent one is ignored."""

    def clear(self) -> None:
        """Remove the record with all its items; an absent one is ignored."""


def record_name(service: str, environment: str) -> str:
    """Return the name of an environment's record, within Sync's limit on unique names."""
    return f"ga-deploy.{service}.{environment}"


class SyncRecords:
    """The record as a map in the account's default Sync service.

    If `newest` read the whole map, the result is cached: `starting_with` uses it, and `put` updates it. To see what
    others wrote since, call `newest` again, as every snapshot does.
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
        """Do nothing: the record is where it was requested."""

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
    """The record on Sync while Sync is accessible, else in a file, with one warning that gives the reason.

    After a fallback during a read, `announce` reports it once the rest of the account has answered: with wrong
    credentials everything is refused, and a warning about Sync would mislead.
    """

    def __init__(self, on_sync: SyncRecords, in_file: FileRecords, report: Report) -> None:
        self._on_sync = on_sync
        self._in_file = in_file
        self._report = report
        self._chosen: SyncRecords | FileRecords = on_sync
        self._guard = threading.Lock()
        self._unreported: Warned | None = None

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
        """Warn once that the record is in a file, with the reason."""
        with self._guard:
            unreported, self._unreported = self._unreported, None
        if unreported:
            self._report(unreported)

    def prepare(self) -> None:
        """Make writing items possible."""
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
            self._unreported = Warned(
                "the record of releases is in a local file, and deployments from other machines are not locked out",
                why=f"Twilio Sync cannot be used: {problem.what}{code}; the file is {self._in_file.where}. "
                "There is no lease either: a run that wakes from sleep continues to write",
                fix="give the credentials and the network access to Sync, or set `state: local` to accept this",
            )


def lacks_sync(problem: ApiProblem) -> bool:
    """Whether there is no access to Sync, so that a file is used instead.

    Sync answers a restricted key with 401 or 403, and an account without Sync with 404; a network that blocks Sync's
    host lets no connection through. Other failures (a broken connection, 5xx after all retries) may be temporary, and
    two records of one environment would contradict each other.
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
    """Return the environment's record in a file below `folder`, which may not exist yet. Reads nothing.

    `guard` is called before each write and raises to stop it.
    """
    name = f"{desired.service_name}.{desired.environment}.json"
    return FileRecords(folder / "records" / desired.account_sid / name, guard)
