"""The record of an environment as a file on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError
from ga_deploy.folders import make_private_folder
from ga_deploy.model.sync import SyncItem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class FileRecords:
    """The record as one JSON file. Writing replaces the file, so no reader sees a partial one.

    `guard` is called before each write and raises to stop it.
    """

    def __init__(self, path: Path, guard: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._check = guard
        self._guard = threading.Lock()

    def beside(self, name: str) -> FileRecords:
        """Return another record in the same folder, under the same guard."""
        return FileRecords(self._path.with_name(name), self._check)

    @property
    def where(self) -> str:
        """The path of the file."""
        return str(self._path)

    def newest(self, limit: int) -> list[SyncItem]:
        """Return up to `limit` items, keys sorted backwards."""
        return sorted(self._read().values(), key=lambda item: item.key, reverse=True)[:limit]

    def starting_with(self, prefix: str) -> list[SyncItem]:
        """Return every item whose key starts with `prefix`."""
        found = (item for item in self._read().values() if item.key.startswith(prefix))
        return sorted(found, key=lambda item: item.key)

    def announce(self) -> None:
        """Do nothing: the record is where it was requested."""

    def prepare(self) -> None:
        """Create the folder; raises `DeployError` if that is not possible."""
        try:
            make_private_folder(self._path.parent)
        except OSError as error:
            raise self._unwritable(error) from error

    def put(self, key: str, content: Mapping[str, object], *, if_match: str | None = None) -> SyncItem:
        """Create or overwrite an item. One lock holder writes at a time, so `if_match` is not needed here."""
        del if_match
        with self._guard:
            items = self._read()
            revision = int(items[key].revision) + 1 if key in items and items[key].revision.isdigit() else 0
            item = SyncItem(key=key, revision=str(revision), data=json.loads(json.dumps(content)))
            items[key] = item
            self._write(items)
        return item

    def remove(self, key: str) -> None:
        """Remove an item; an absent one is ignored."""
        with self._guard:
            items = self._read()
            if items.pop(key, None) is not None:
                self._write(items)

    def clear(self) -> None:
        """Remove the file."""
        self._check()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _read(self) -> dict[str, SyncItem]:
        """Return all items; raises `DeployError` if the file exists and cannot be read: that is not an empty record."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))["items"]
            return {
                key: SyncItem(key=key, revision=str(item["revision"]), data=dict(item["data"]))
                for key, item in stored.items()
            }
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise self._unreadable(error.strerror or type(error).__name__) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._unreadable(f"it is truncated or garbled ({type(error).__name__})") from error

    def _unreadable(self, why: str) -> DeployError:
        return DeployError(
            f"cannot read the record {self._path}",
            why=f"{why}; it may have the settings of numbers before ga-deploy bound them",
            fix="make it readable or restore a copy; move it away only if you need nothing in it",
        )

    def _write(self, items: Mapping[str, SyncItem]) -> None:
        self._check()
        self.prepare()
        stored = {item.key: {"revision": item.revision, "data": item.data} for item in items.values()}
        text = json.dumps({"format_version": 1, "items": stored}, indent=1, sort_keys=True)
        try:
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(name, self._path)  # noqa: PTH105 - the name is a string from mkstemp
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)  # noqa: PTH108
                raise
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> DeployError:
        return DeployError(
            f"cannot write the record {self._path}",
            why=str(error),
            fix="make the folder writable, or set `state: sync`",
        )
