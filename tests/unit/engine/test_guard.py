"""No write without a lease: what the guard lets through, and the list of writes that need none."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ga_deploy.engine.lock.guard import Unleased, WriteGuard
from ga_deploy.engine.record.file_store import FileRecords
from ga_deploy.errors import Locked

PACKAGE = Path(__file__).parents[3] / "ga_deploy"

# Which write needs no lease, and the one function that does it. Whoever adds a line has to show that two at once, or
# one that wakes after an hour's sleep, do no harm.
UNLEASED = {"LOCAL_RECORD": "engine/up.py:_refresh_local_record"}


class Lease:
    """A lease that is over once it is told so."""

    def __init__(self) -> None:
        self.is_over = False

    def check(self) -> None:
        if self.is_over:
            raise Locked("over")


def test_nothing_is_written_without_a_lease_or_after_it() -> None:
    guard, lease = WriteGuard(), Lease()
    with pytest.raises(AssertionError, match="without a lease"):
        guard.check()
    with guard.holding(lease):  # type: ignore[arg-type]
        guard.check()
        lease.is_over = True
        with pytest.raises(Locked):
            guard.check()
    with pytest.raises(AssertionError, match="without a lease"):
        guard.check()


def test_a_local_record_is_checked_before_each_write(tmp_path: Path) -> None:
    guard, lease = WriteGuard(), Lease()
    records = FileRecords(tmp_path / "record.json", guard.check)
    with guard.holding(lease):  # type: ignore[arg-type]
        records.put("release.000001", {})
        lease.is_over = True
        for write in (
            lambda: records.put("release.000002", {}),
            lambda: records.remove("release.000001"),
            records.clear,
        ):
            with pytest.raises(Locked):
                write()
    assert [item.key for item in records.newest(9)] == ["release.000001"]
    with guard.without_lease(Unleased.LOCAL_RECORD):
        records.put("release.000002", {})
    with pytest.raises(AssertionError):
        records.put("release.000003", {})


def test_the_writes_that_need_no_lease_are_these() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".without_lease"):
                    name = ast.unparse(call.args[0]).removeprefix("Unleased.")
                    assert name not in found, "each has one place"
                    found[name] = f"{path.relative_to(PACKAGE).as_posix()}:{function.name}"
    assert found == UNLEASED
    assert [write.name for write in Unleased] == list(UNLEASED)
