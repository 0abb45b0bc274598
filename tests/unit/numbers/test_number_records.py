"""What numbers had before: kept small, kept apart, never lost to a bad item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ga_deploy.engine.numbers.account_record import AccountNumberRecord
from ga_deploy.engine.numbers.record import ItemNumberRecord, RememberedNumber
from ga_deploy.engine.record.file_store import FileRecords
from ga_deploy.errors import DeployError
from ga_deploy.model.numbers import NumberSettings
from ga_deploy.model.sids import NumberSid
from ga_deploy.model.sync import SyncItem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Items:
    """Records in memory that count writes and refuse what Sync would."""

    def __init__(self, where: str = "memory") -> None:
        self.where = where
        self.items: dict[str, dict[str, object]] = {}
        self.writes = 0

    def newest(self, limit: int) -> list[SyncItem]:
        return sorted(self.starting_with(""), key=lambda item: item.key, reverse=True)[:limit]

    def starting_with(self, prefix: str) -> list[SyncItem]:
        return [SyncItem(key, "0", content) for key, content in sorted(self.items.items()) if key.startswith(prefix)]

    def prepare(self) -> None:
        """Nothing to do."""

    def put(self, key: str, content: Mapping[str, object], *, if_match: str | None = None) -> SyncItem:
        assert len(json.dumps(content).encode()) <= 16 * 1024, "Sync: 54006"
        self.writes += 1
        self.items[key] = json.loads(json.dumps(content))
        return SyncItem(key, "0", self.items[key])

    def remove(self, key: str) -> None:
        self.items.pop(key, None)

    def clear(self) -> None:
        self.items.clear()

    def announce(self) -> None:
        """Nothing to say."""


def entry(index: int, url: str = "https://old.example/", bound: str = "https://ours.example/") -> RememberedNumber:
    sid = NumberSid(f"PN{index:032x}")
    return RememberedNumber(sid, f"+1555{index:07d}", NumberSettings(voice_url=url), bound)


def test_thousands_of_numbers_take_a_few_items() -> None:
    items = Items()
    record = ItemNumberRecord(items)
    entries = [entry(index) for index in range(1_000)]
    record.remember(entries)
    assert items.writes <= 6
    assert record.recall() == {each.number: each for each in entries}
    record.remember(entries)
    assert items.writes <= 6, "what stands there already is not written again"


def test_numbers_that_had_all_kinds_of_settings_fit_too() -> None:
    items = Items()
    record = ItemNumberRecord(items)
    entries = [entry(index, url=f"https://{'x' * 800}.example/{index}") for index in range(200)]
    record.remember(entries)
    assert record.recall() == {each.number: each for each in entries}


def test_one_huge_setting_gets_an_item_of_its_own() -> None:
    items = Items()
    record = ItemNumberRecord(items)
    record.remember([entry(1, url="https://x.example/" + "ü" * 1_000), entry(2)])
    assert len(record.recall()) == 2


def test_what_is_forgotten_is_gone_and_its_room_used_again() -> None:
    items = Items()
    record = ItemNumberRecord(items)
    record.remember([entry(index) for index in range(10)])
    record.forget([entry(index).number for index in range(9)])
    assert list(record.recall()) == [entry(9).number]
    record.remember([entry(index, bound="https://new.example/") for index in range(20)])
    assert list(items.items) == ["numbers.000"]
    assert {each.bound_url for each in record.recall().values()} == {"https://new.example/"}
    writes = items.writes
    record.forget(["+15559999999"])
    record.remember([])
    assert items.writes == writes


@pytest.mark.parametrize(
    "broken",
    [
        {"groups": "x"},
        {},
        {"groups": [{"before": {"voice_url": 7}, "bound_url": "", "numbers": {}}]},
        {"groups": [{"before": {"unknown": "x"}, "bound_url": "", "numbers": {}}]},
    ],
)
def test_an_item_that_cannot_be_read_stops_everything_and_stays_as_it_is(broken: dict[str, object]) -> None:
    items = Items()
    items.items["numbers.000"] = broken
    record = ItemNumberRecord(items)
    for use in (record.recall, lambda: record.remember([entry(1)]), lambda: record.forget([entry(1).number])):
        with pytest.raises(DeployError, match=r"numbers\.000") as told:
            use()
        assert "delete the item only if" in told.value.fix
    assert items.items == {"numbers.000": broken}


def test_a_local_file_keeps_them_as_well(tmp_path: Path) -> None:
    path = tmp_path / "records" / "ui.json"
    ItemNumberRecord(FileRecords(path)).remember([entry(1), entry(2)])
    assert set(ItemNumberRecord(FileRecords(path)).recall()) == {entry(1).number, entry(2).number}


steps = st.lists(
    st.tuples(
        st.sampled_from(["remember", "forget"]),
        st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["a", "b" * 900])), max_size=25),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(steps=steps)
def test_it_is_a_dictionary(steps: list[tuple[str, list[tuple[int, str]]]]) -> None:
    record = ItemNumberRecord(Items())
    expected: dict[str, RememberedNumber] = {}
    for action, chosen in steps:
        entries = {each.number: each for index, url in chosen for each in [entry(index, url)]}
        if action == "remember":
            record.remember(entries.values())
            expected |= entries
        else:
            record.forget(entries.keys())
            expected = {number: each for number, each in expected.items() if number not in entries}
        assert record.recall() == expected


def test_what_a_run_without_sync_has_left_is_known_and_forgotten_too() -> None:
    left_in_file = Items("file")
    older = ItemNumberRecord(left_in_file, prefix="ga.ui.")
    older.remember([entry(1, url="https://oldest.example/"), entry(2, url="https://oldest.example/")])
    record = AccountNumberRecord(Items("sync"), "ga.ui", left_in_file=left_in_file)
    record.remember([entry(2), entry(3)])
    assert record.recall() == {
        each.number: each for each in (entry(1, url="https://oldest.example/"), entry(2), entry(3))
    }
    record.forget([entry(number).number for number in (1, 2)])
    assert set(record.recall()) == {entry(3).number}
    assert older.recall() == {}
