"""The emulator's memory: one SQLite file, SIDs, the clock. Knows nothing of HTTP and nothing of Twilio's rules.

Every change is one transaction, written ahead (WAL), so that a kill at any moment leaves either all of it or nothing.
Rows come back as plain dictionaries. `seq` counts rows of a table in the order they were made and is the only order
that lists rely on: two rows made within one second have the same date.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.core.schema import SCHEMA, VERSION
from ga_deploy.errors import DeployError
from ga_deploy.folders import make_private, open_private_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Row = dict[str, Any]


def new_sid(prefix: str) -> str:
    """Return a fresh SID: two letters and 32 lower-case hex digits."""
    return prefix + secrets.token_hex(16)


@dataclass(frozen=True)
class Window:
    """Which part of a list is wanted: `size` rows past (`forward`) or before the row whose order value is `cursor`."""

    size: int
    cursor: int | str | None = None
    forward: bool = True


@dataclass(frozen=True)
class Slice:
    """A part of a list, in list order, and whether there is more on either side."""

    rows: list[Row]
    before: bool
    after: bool


class Store:
    """State of one emulator. `path` None keeps it in memory. A test may look in from a thread of its own."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _keep_private(path)
        self._path = path
        self._depth = 0
        # Held for a whole transaction, so that what another thread does is never part of it.
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=0.5, check_same_thread=False)
        except sqlite3.DatabaseError as problem:  # a folder, or no permission
            raise _unusable(path, problem) from problem
        self._db.row_factory = lambda cursor, values: {
            column[0]: value for column, value in zip(cursor.description, values, strict=True)
        }
        try:
            self._open()
        except sqlite3.DatabaseError as problem:
            self._db.close()
            raise _unusable(path, problem) from problem
        self._offset = float(self.meta("clock_offset") or 0.0)

    def _open(self) -> None:
        # EXCLUSIVE: a second emulator on the same file is told so at once instead of corrupting what the first
        # believes.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.execute("PRAGMA cache_size=-8000")
        found = self._db.execute("PRAGMA user_version").fetchone()["user_version"]
        if found not in {0, VERSION}:
            raise sqlite3.DatabaseError(f"its layout is version {found}, this emulator's is {VERSION}")
        if found == 0:
            self._db.executescript(f"BEGIN IMMEDIATE;{SCHEMA};PRAGMA user_version={VERSION};COMMIT;")
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file; calling it twice is fine."""
        self._db.close()

    def now(self) -> float:
        """Return the emulator's time, seconds since 1970; moved by `advance`, kept over restarts."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock."""
        self._offset += seconds
        self.set_meta("clock_offset", str(self._offset))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen together or not at all; may be nested."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def _read(self, sql: str, bound: Sequence[Any] = ()) -> list[Row]:
        with self._lock:
            return self._db.execute(sql, bound).fetchall()

    def _write(self, sql: str, bound: Sequence[Any]) -> sqlite3.Cursor:
        with self._lock:
            return self._db.execute(sql, bound)

    def meta(self, key: str) -> str | None:
        """Return a setting of the store itself."""
        found = self._read("SELECT value FROM meta WHERE key=?", (key,))
        return str(found[0]["value"]) if found else None

    def set_meta(self, key: str, value: str) -> None:
        """Keep a setting of the store itself."""
        self._write("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (key, value))

    # Names of tables and columns below come from this package's own code, never from a request; values are bound.

    def insert(self, table: str, values: Mapping[str, Any]) -> Row:
        """Add a row and return it with its `seq`. Raises `sqlite3.IntegrityError` when it breaks a UNIQUE rule."""
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        cursor = self._write(f"INSERT INTO {table}({names}) VALUES({marks})", tuple(values.values()))
        return {**values, "seq": cursor.lastrowid}

    def update(self, table: str, seq: int, values: Mapping[str, Any]) -> None:
        """Change columns of the row `seq`."""
        if not values:
            return
        names = ", ".join(f"{name}=?" for name in values)
        self._write(f"UPDATE {table} SET {names} WHERE seq=?", (*values.values(), seq))  # noqa: S608

    def delete(self, table: str, **where: Any) -> int:
        """Delete matching rows (and what hangs on them), return how many matched."""
        clause, bound = _where(where)
        return self._write(f"DELETE FROM {table}{clause}", bound).rowcount  # noqa: S608

    def one(self, table: str, **where: Any) -> Row | None:
        """Return the matching row; the newest when there are several."""
        clause, bound = _where(where)
        found = self._read(
            f"SELECT * FROM {table}{clause} ORDER BY seq DESC LIMIT 1",  # noqa: S608
            bound,
        )
        return found[0] if found else None

    def rows(self, table: str, **where: Any) -> list[Row]:
        """Return all matching rows, oldest first."""
        clause, bound = _where(where)
        return self._read(f"SELECT * FROM {table}{clause} ORDER BY seq", bound)  # noqa: S608

    def count(self, table: str, **where: Any) -> int:
        """Return how many rows match."""
        clause, bound = _where(where)
        found = self._read(f"SELECT count(*) AS n FROM {table}{clause}", bound)  # noqa: S608
        return int(found[0]["n"])

    def query(self, sql: str, *bound: Any) -> list[Row]:
        """Return the rows of a statement that the simple forms above cannot say."""
        return self._read(sql, bound)

    def window(
        self,
        table: str,
        window: Window,
        *,
        order: str = "seq",
        newest_first: bool = True,
        where: Sequence[str] = (),
        bound: Sequence[Any] = (),
    ) -> Slice:
        """Return one page of a list, ordered by the unique column `order`.

        The cursor is the order value of a row, not a count of rows: what is inserted or deleted between two pages
        neither repeats nor hides another row.
        """
        downwards = newest_first if window.forward else not newest_first
        conditions, values = list(where), list(bound)
        if window.cursor is not None:
            conditions.append(f"{order} {'<' if downwards else '>'} ?")
            values.append(window.cursor)
        clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        found = self._read(
            f"SELECT * FROM {table}{clause} ORDER BY {order} {'DESC' if downwards else 'ASC'} LIMIT ?",  # noqa: S608
            (*values, window.size + 1),
        )
        more = len(found) > window.size
        rows = found[: window.size]
        if window.forward:
            return Slice(rows, before=window.cursor is not None, after=more)
        return Slice(rows[::-1], before=more, after=True)


def _keep_private(path: Path) -> None:
    """Let the owner alone read the state, for it holds passwords. What SQLite puts beside it gets the mode of the file.

    A file that cannot be made is SQLite's to report.
    """
    with contextlib.suppress(OSError):
        open_private_file(path).close()
    for beside in ("-wal", "-shm"):
        make_private(path.with_name(path.name + beside))


def _where(where: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    if not where:
        return "", ()
    parts = [f"{name} IS NULL" if value is None else f"{name}=?" for name, value in where.items()]
    return f" WHERE {' AND '.join(parts)}", tuple(value for value in where.values() if value is not None)


def _unusable(path: Path | None, problem: sqlite3.DatabaseError) -> DeployError:
    if "locked" in str(problem):
        return DeployError(
            f"the emulator's state {path} is in use",
            why="another emulator is running on it",
            fix="stop that one, or use it: set GA_DEPLOY_EMULATOR to its address",
        )
    return DeployError(
        f"the emulator's state {path} cannot be used",
        why=str(problem),
        fix=f"check the room on its disk; if it is damaged, delete {path}: the next run starts with an empty account",
    )


def to_json(value: object) -> str:
    """Return compact JSON for a column."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
