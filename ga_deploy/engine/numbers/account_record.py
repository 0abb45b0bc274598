"""The settings of numbers before any of our environments bound them, in one map per account: `ga-deploy.numbers`.

Each environment has its own items there; only it writes them, under its own lock. An environment that binds a number of
another one copies the original settings from it. So the original stays recorded as long as any environment has the
number, in whatever order they give it back. Earlier versions kept items in each environment's record: these are read,
and moved with the next write.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.engine.numbers.record import ItemNumberRecord, RememberedNumber
from ga_deploy.engine.numbers.settings import reaches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from ga_deploy.engine.numbers.record import NumberRecord
    from ga_deploy.engine.record.store import Records
    from ga_deploy.model.numbers import NumberSettings

# The name of the map, and of the file that replaces it without access to Sync.
ACCOUNT_RECORD = "ga-deploy.numbers"
# The hosts of our functions and flows.
_OUR_HOSTS = (".twil.io", "webhooks.twilio.com")


class AccountNumberRecord:
    """The recorded numbers of one environment, and the entries of others.

    `older` are the places of earlier versions, the most important last; `left_in_file` is the file of an earlier run
    without Sync on this machine. `find_strays` returns entries of other environments in the places of earlier versions.
    """

    def __init__(
        self,
        shared: Records,
        holder: str,
        older: Sequence[NumberRecord] = (),
        left_in_file: Records | None = None,
        find_strays: Callable[[], Mapping[str, Sequence[RememberedNumber]]] = dict,
    ) -> None:
        self._shared = shared
        self._prefix = f"{holder}."
        self._own = ItemNumberRecord(shared, prefix=self._prefix)
        self._former = older
        self._left_in_file = left_in_file
        self._find_strays = find_strays

    @property
    def _older(self) -> tuple[NumberRecord, ...]:
        if self._left_in_file is None or self._shared.where == self._left_in_file.where:
            return tuple(self._former)
        return (ItemNumberRecord(self._left_in_file, prefix=self._prefix), *self._former)

    def recall(self) -> dict[str, RememberedNumber]:
        """Return all entries of this environment, by E.164 number."""
        own = self._own.recall()
        found: dict[str, RememberedNumber] = {}
        for record in self._older:
            found |= record.recall()
        found = {number: entry for number, entry in found.items() if number not in own}
        if any(_may_be_ours(entry.before) for entry in found.values()):
            found = {entry.number: entry for entry in self._resolve(found.values(), self.recall_others())}
        return found | own

    def recall_others(self) -> dict[str, tuple[RememberedNumber, ...]]:
        """Return the entries of other environments, by number. Always read again: they write without our lock."""
        self._shared.newest(1)
        found: dict[str, tuple[RememberedNumber, ...]] = {}
        keys = {item.key.rpartition(".")[0] + "." for item in self._shared.starting_with("")}
        for prefix in sorted(keys - {self._prefix}):
            for number, entry in ItemNumberRecord(self._shared, prefix=prefix).recall().items():
                found[number] = (*found.get(number, ()), entry)
        return found

    def remember(self, entries: Iterable[RememberedNumber]) -> None:
        """Record numbers. A number that points at another environment of ours gets the original recorded there."""
        others = self.recall_others()
        fresh = {entry.number: entry for entry in entries}
        moved: dict[str, RememberedNumber] = {}
        for record in self._older:
            moved |= record.recall()
        moved = {number: entry for number, entry in moved.items() if number not in {*fresh, *self._own.recall()}}
        everything = [*fresh.values(), *moved.values()]
        if not everything:
            return
        self._own.remember(self._resolve(everything, others))
        for record in self._older:
            record.forget([entry.number for entry in everything])

    def _resolve(
        self, entries: Collection[RememberedNumber], others: Mapping[str, tuple[RememberedNumber, ...]]
    ) -> list[RememberedNumber]:
        """Return entries with the settings that the number had before any environment of ours bound it."""
        if any(_may_be_ours(e.before) and not find_original(e.before, others.get(e.number, ())) for e in entries):
            strays = self._find_strays()
            others = {n: (*others.get(n, ()), *strays.get(n, ())) for n in {*others, *strays}}
        # An entry of this environment may be a link in the chain.
        mine: dict[str, RememberedNumber] = {}
        for record in (*self._older, self._own):
            mine |= record.recall()
        resolved = []
        for entry in entries:
            known = (*others.get(entry.number, ()), *([mine[entry.number]] if entry.number in mine else ()))
            resolved.append(replace(entry, before=find_original(entry.before, known) or entry.before))
        return resolved

    def forget(self, numbers: Collection[str]) -> None:
        """Remove numbers; unknown ones are ignored."""
        for record in (self._own, *self._older):
            record.forget(numbers)


def find_original(now: NumberSettings, others: Sequence[RememberedNumber]) -> NumberSettings | None:
    """Return the settings before our first binding, if the number points at another environment of ours; else None."""
    left = list(others)
    original: NumberSettings | None = None
    while found := next((entry for entry in left if reaches(original or now, None, entry)), None):
        # An earlier version recorded the URL of the previous environment as the original.
        original = found.before
        left.remove(found)
    return original


def _may_be_ours(settings: NumberSettings) -> bool:
    """Return whether a number with these settings may point at an environment of ours."""
    try:
        host = (urlsplit(settings.voice_url).hostname or "").lower()
    except ValueError:
        return False
    return host.endswith(_OUR_HOSTS)
