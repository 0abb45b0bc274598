"""The settings of numbers before ga-deploy bound them: recorded before the first change, forgotten once given back.

They are stored as items `PREFIX000`, `PREFIX001`, …, with as many numbers per item as fit: Sync bills writes, and a
thousand numbers share a few settings. `account_record` decides where.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from ga_deploy.engine.record.store import ITEM_BYTES
from ga_deploy.errors import DeployError
from ga_deploy.model.numbers import NumberSettings
from ga_deploy.model.sids import NumberSid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ga_deploy.engine.record.store import Records

PREFIX = "numbers."


@dataclass(frozen=True)
class RememberedNumber:
    """A bound number: its settings before, and the URL that ga-deploy set."""

    sid: NumberSid
    number: str
    before: NumberSettings
    bound_url: str


class NumberRecord(Protocol):
    """The record of numbers. Writing needs the environment's lock."""

    def recall(self) -> dict[str, RememberedNumber]:
        """Return all recorded numbers, by E.164 number."""

    def remember(self, entries: Iterable[RememberedNumber]) -> None:
        """Record numbers, over their earlier entries."""

    def forget(self, numbers: Collection[str]) -> None:
        """Remove numbers; unknown ones are ignored."""


class ItemNumberRecord:
    """The record of numbers among the items of an environment's record.

    All methods raise DeployError for an item that cannot be read: what numbers had is written down nowhere else.
    """

    def __init__(self, records: Records, *, prefix: str = PREFIX) -> None:
        self._records = records
        self._prefix = prefix

    def recall(self) -> dict[str, RememberedNumber]:
        """Return everything remembered."""
        found: dict[str, RememberedNumber] = {}
        for item in self._read():
            found |= item.entries
        return found

    def remember(self, entries: Iterable[RememberedNumber]) -> None:
        """Record numbers, with one write for each item that changes."""
        items = self._read()
        holders = {number: item for item in items for number in item.entries}
        for entry in entries:
            holder = holders.get(entry.number)
            if holder is not None and holder.entries[entry.number] == entry:
                continue
            if holder is not None:
                holder.remove(entry.number)
            for item in items:
                if item.add(entry):
                    holders[entry.number] = item
                    break
            else:
                added = _Item(_free_key(self._prefix, items))
                added.add(entry)
                items.append(added)
                holders[entry.number] = added
        self._write(items)

    def forget(self, numbers: Collection[str]) -> None:
        """Remove numbers. An item goes with the last number in it."""
        items = self._read()
        for item in items:
            for number in item.entries.keys() & set(numbers):
                item.remove(number)
        self._write(items)

    def _read(self) -> list[_Item]:
        items: list[_Item] = []
        for stored in self._records.starting_with(self._prefix):
            try:
                items.append(_Item(stored.key, _unpack(stored.data)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._unreadable(stored.key, error) from error
        return items

    def _unreadable(self, key: str, error: Exception) -> DeployError:
        place = self._records.where
        if place == "sync":
            place = (
                "the environment's map on Twilio Sync" if self._prefix == PREFIX else "the Sync map `ga-deploy.numbers`"
            )
        return DeployError(
            f"cannot read the item `{key}` of {place}",
            why=f"{type(error).__name__}: {error}; the item holds what numbers had before ga-deploy bound them",
            fix="run the newest version of ga-deploy, which may have written it; "
            "delete the item only if nobody needs to give these numbers back",
        )

    def _write(self, items: Iterable[_Item]) -> None:
        for item in items:
            if item.is_changed and item.entries:
                self._records.put(item.key, _pack(item.entries.values()))
            elif item.is_changed:
                self._records.remove(item.key)


class _Item:
    """One item while it is filled. Its size is estimated, a little too high, to avoid encoding it for each number."""

    def __init__(self, key: str, entries: Mapping[str, RememberedNumber] | None = None) -> None:
        self.key = key
        self.entries: dict[str, RememberedNumber] = {}
        self._groups: set[str] = set()
        self._bytes_left = ITEM_BYTES - 50
        for entry in (entries or {}).values():
            self._take(entry)
        self.is_changed = False

    def add(self, entry: RememberedNumber) -> bool:
        """Take an entry if there is room for it."""
        if self.entries and self._cost(entry) > self._bytes_left:
            return False
        self._take(entry)
        self.is_changed = True
        return True

    def remove(self, number: str) -> None:
        """Remove a number. Its space counts as free when the item is read again."""
        del self.entries[number]
        self.is_changed = True

    def _take(self, entry: RememberedNumber) -> None:
        self._bytes_left -= self._cost(entry)
        self._groups.add(_group_key(entry))
        self.entries[entry.number] = entry

    def _cost(self, entry: RememberedNumber) -> int:
        group = _group_key(entry)
        return len(entry.number) + len(entry.sid) + 10 + (0 if group in self._groups else len(group.encode()) + 60)


def _free_key(prefix: str, items: Iterable[_Item]) -> str:
    taken = {item.key for item in items}
    return next(key for key in (f"{prefix}{index:03d}" for index in range(len(taken) + 1)) if key not in taken)


def _group_key(entry: RememberedNumber) -> str:
    return json.dumps([asdict(entry.before), entry.bound_url], sort_keys=True)


def _pack(entries: Iterable[RememberedNumber]) -> dict[str, object]:
    """Group numbers with equal earlier settings and equal new URLs."""
    groups: dict[str, dict[str, str]] = {}
    for entry in sorted(entries, key=lambda entry: entry.number):
        groups.setdefault(_group_key(entry), {})[entry.number] = entry.sid
    packed = []
    for group, numbers in groups.items():
        before, bound_url = json.loads(group)
        packed.append({"before": before, "bound_url": bound_url, "numbers": numbers})
    return {"groups": packed}


def _unpack(stored: Mapping[str, object]) -> dict[str, RememberedNumber]:
    groups = stored["groups"]
    if not isinstance(groups, list):
        raise TypeError("`groups` is not a list")
    entries: dict[str, RememberedNumber] = {}
    for group in groups:
        before = NumberSettings(**{name: _text(value) for name, value in group["before"].items()})
        bound_url = _text(group["bound_url"])
        for number, sid in group["numbers"].items():
            entries[number] = RememberedNumber(NumberSid(_text(sid)), number, before, bound_url)
    return entries


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, got {type(value).__name__}")
    return value
