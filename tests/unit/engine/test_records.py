"""The record: releases there and back, whatever is in the way; files that are never half written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_deploy.engine.lock.holder import name_ci_run, name_deployer
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.record.file_store import FileRecords
from ga_deploy.engine.record.releases import (
    KEPT_RELEASES,
    list_releases,
    prune_releases,
    read_record,
    record_variable,
    write_intent,
    write_release,
)
from ga_deploy.errors import DeployError
from ga_deploy.events import Report, ignore
from ga_deploy.model.release import Intent, Release, ReleasedFunction, ReleasedVariable
from ga_deploy.model.sids import BuildSid, EnvironmentSid, ServiceSid, VersionSid
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.engine.record.store import Records
    from ga_deploy.model.sync import SyncItem


def make_release(number: int, function_set: str = "/", numbers: int = 0, value: str = "v") -> Release:
    return Release(
        number=number,
        function_set=function_set,
        service_sid=ServiceSid("ZS1"),
        environment_sid=EnvironmentSid("ZE1"),
        build_sid=BuildSid(f"ZB{number}"),
        fingerprint="f",
        functions={
            "/engage": ReleasedFunction(VersionSid("ZN1"), "sha", "protected"),
            "/old": ReleasedFunction(VersionSid("ZN2"), "s", "public", True),
        },
        dependencies={"axios": "1.20.0"},
        sent_dependencies={"axios": "1.20.0", "lodash": "4.17.21"},
        variables={
            "A": ReleasedVariable(True, value),
            "S": record_variable(Secret("a-secret-value"), made=False, salt="ab"),
        },
        variables_digest="d",
        runtime="node22",
        numbers={
            f"+1555{index:07d}": {"to": "engage", "profile": "es" if index % 2 else None} for index in range(numbers)
        },
        when="2026-11-22T00:00:00Z",
        who="me@here",
        domain_name="ga-1234.twil.io",
    )


def read_latest(records: Records, function_set: str = "/", report: Report = ignore) -> Release:
    latest = read_record(records, function_set, report).latest
    assert latest is not None
    return latest


@pytest.mark.parametrize("numbers", [0, 3, 200, 300, 3000])
def test_release_comes_back_as_it_was(tmp_path: Path, numbers: int) -> None:
    records = FileRecords(tmp_path / "record.json")
    release = make_release(1, numbers=numbers)
    write_release(records, release)
    assert list_releases(records, "/") == [release]
    assert all(len(json.dumps(item.data)) < 16_384 for item in records.starting_with("")), "Sync takes 16 KiB an item"
    assert "a-secret-value" not in (tmp_path / "record.json").read_text()


def test_the_largest_release_comes_back_and_fits(tmp_path: Path) -> None:
    """Long folders, many dependencies, a profile for each number: together more than one item of Sync holds."""
    records = FileRecords(tmp_path / "record.json")
    root = f"/{'f' * 230}/"
    paths = [f"{root}function-{index:02d}" for index in range(25)]
    packages = {f"@organisation/package-{index:03d}": "100.200.300" for index in range(100)}
    release = replace(
        make_release(1, function_set=root),
        functions={path: ReleasedFunction(VersionSid("ZN" + "a" * 32), "b" * 64, "protected") for path in paths},
        containers=tuple(paths),
        dependencies=packages,
        sent_dependencies=packages,
        variables={f"VARIABLE_{index}": ReleasedVariable(True, "v" * 440) for index in range(6)},
        numbers={f"+1555{index:07d}": {"to": "engage", "profile": "p" * 40 + str(index)} for index in range(1000)},
    )
    write_release(records, release)
    write_intent(records, Intent(2, root, tuple(paths), (), tuple(packages), packages, tuple(paths)))
    assert all(len(json.dumps(item.data)) < 16_000 for item in records.starting_with("")), "Sync takes 16 KiB an item"
    [back] = list_releases(records, root)
    assert replace(back, variables={}) == replace(release, variables={}), "only the values of variables are given up"
    assert back.variables.keys() == release.variables.keys()
    intent = read_record(records, root).intent
    assert intent is not None
    assert intent.containers == tuple(paths)


class Memory(FileRecords):
    """The record without its file: a thousand deployments write it a thousand times."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.items: dict[str, SyncItem] = {}

    def _read(self) -> dict[str, SyncItem]:
        return dict(self.items)

    def _write(self, items: Mapping[str, SyncItem]) -> None:
        self.items = dict(items)


def test_a_thousand_ups_leave_the_newest_releases_of_each_config() -> None:
    """Two configs of one environment, one of which was deployed only at the beginning, with many numbers."""
    records, few, many = Memory(), make_release(1), make_release(1, numbers=400)
    with open_pool() as pool:
        for number in range(1, 1001):
            release = many if number % 100 == 0 else few
            function_set = "/sales/" if number < 4 else "/"
            write_release(records, replace(release, number=number, function_set=function_set))
            prune_releases(records, pool, number)
    there = list_releases(records, None)
    kept = [release.number for release in there if release.function_set == "/"]
    assert kept == list(range(1000, 1000 - KEPT_RELEASES, -1))
    assert [release.number for release in there if release.function_set == "/sales/"] == [3, 2, 1]
    assert there[0] == replace(many, number=1000), "with its numbers"
    spilled = {item.key.split(".")[1] for item in records.starting_with("bindings.")}
    assert spilled == {"001000"}, "the numbers of a release go with it"
    assert len(json.dumps([item.data for item in records.items.values()])) < 200_000
    assert read_record(records, "/").last_number == 1000
    assert read_latest(records, "/sales/").number == 3


def test_release_that_was_changed_by_hand_is_not_believed(tmp_path: Path) -> None:
    records = FileRecords(tmp_path / "record.json")
    write_release(records, make_release(1))
    item = records.newest(1)[0]
    functions = {"/engage": {"version": "ZN1", "sha256": "another", "visibility": "protected"}}
    records.put(item.key, {**item.data, "functions": functions})
    told: list[object] = []
    assert read_record(records, "/", told.append).latest is None
    assert len(told) == 1


def test_large_values_give_way_to_fingerprints(tmp_path: Path) -> None:
    records = FileRecords(tmp_path / "record.json")
    release = make_release(1, value="x" * 20_000)
    write_release(records, release)
    assert read_latest(records).variables["A"].value is None


def test_newest_release_of_a_set_is_found_behind_those_of_others(tmp_path: Path) -> None:
    records = FileRecords(tmp_path / "record.json")
    write_release(records, make_release(1))
    for number in range(2, 40):
        write_release(records, make_release(number, "/sales/"))
    record = read_record(records, "/")
    assert read_latest(records).number == 1
    assert record.last_number == 39
    assert read_record(records, "/none/").latest is None


def test_intent_counts_only_while_it_is_unfinished_and_ours(tmp_path: Path) -> None:
    records = FileRecords(tmp_path / "record.json")
    intent = Intent(2, "/", ("/engage",), ("A",), ("axios",), {"axios": "1.20.0"})
    write_intent(records, intent)
    write_release(records, make_release(1))
    assert read_record(records, "/").intent == intent
    assert read_record(records, "/sales/").intent is None
    write_release(records, make_release(2))
    assert read_record(records, "/").intent is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["set", "functions", "variables", "dependencies", "numbers", "service_sid", "build_sid"]),
        json_values,
    )
)
def test_any_garbage_is_skipped_aloud(tmp_path_factory: pytest.TempPathFactory, broken: dict[str, object]) -> None:
    records = FileRecords(tmp_path_factory.mktemp("record") / "record.json")
    write_release(records, make_release(1))
    records.put("release.000002", broken)
    records.put("unfinished", broken)
    told: list[object] = []
    record = read_record(records, "/", told.append)
    assert record.latest is not None
    assert record.latest.number == 1
    assert record.last_number == 2
    assert len(told) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"items": 1}', '{"items": {"release.000001": {"data": 1}}}', "\x00"])
def test_a_file_that_cannot_be_read_is_no_empty_record(tmp_path: Path, text: str) -> None:
    file = tmp_path / "record.json"
    records = FileRecords(file)
    write_release(records, make_release(1))
    file.write_text(text)
    for use in (
        lambda: records.newest(20),
        lambda: records.starting_with(""),
        lambda: write_release(records, make_release(2)),
        lambda: records.remove("release.000001"),
    ):
        with pytest.raises(DeployError, match=f"cannot read the record {file}"):
            use()
    assert file.read_text() == text, "it is left as it is"
    file.unlink()
    assert records.newest(20) == []


def test_a_file_that_may_not_be_opened_is_no_empty_record(tmp_path: Path) -> None:
    """A link to itself, since root may open everything."""
    file = tmp_path / "record.json"
    file.symlink_to(file)
    with pytest.raises(DeployError, match=f"cannot read the record {file}"):
        FileRecords(file).newest(20)


@pytest.mark.parametrize("count", [3, 299, 300, 2_000])
def test_all_numbers_of_a_release_are_read_back(tmp_path: Path, count: int) -> None:
    numbers = {f"+1555{index:07d}": {"to": "engage", "profile": f"p{index % 7}"} for index in range(count)}
    records = FileRecords(tmp_path / "record.json")
    for number in (1, 2):
        write_release(records, replace(make_release(number), numbers=numbers))
    told: list[Any] = []
    record = read_record(records, "/", told.append)
    assert record.latest is not None
    assert record.latest.number == 2
    assert record.latest.numbers == numbers
    assert told == []
    if count > 1_000:
        records.remove("bindings.000002.000")
        assert len(read_latest(records, report=told.append).numbers) < count
        assert "does not hold all numbers of release v2" in told[0].what


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DeployError, match="cannot write the record"):
        FileRecords(tmp_path / "taken" / "record.json").put("a", {})


def test_who_deploys() -> None:
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_RUN_ID": "7",
        "GITHUB_REPOSITORY": "acme/ivr",
        "GITHUB_SERVER_URL": "https://github.example.com",
        "GITHUB_ACTOR": "ann",
    }
    assert name_ci_run(github) == "https://github.example.com/acme/ivr/actions/runs/7"
    assert name_deployer(github).startswith("ann@")
    assert name_ci_run({"CI_JOB_URL": "https://gitlab.example.com/j/1"}) == "https://gitlab.example.com/j/1"
    assert name_ci_run({}) == ""
