"""One writer at a time: who holds the lock, who may take it over, and what happens to one that is lost.

Long because each way to lose or take over a lock is a case of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ga_deploy.engine.lock.holder import Holder, read_holder, this_process
from ga_deploy.engine.lock.lease import hold_lock
from ga_deploy.errors import ApiProblem, Conflict, Locked, NotFound
from ga_deploy.events import Warned
from ga_deploy.gateway import AccessDenied
from ga_deploy.model.sync import SyncDocument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ga_deploy.engine.lock.file_lock import Lease
    from ga_deploy.engine.platform import Platform

NAME = "ga-deploy.lock.ga.ui"


class Documents:
    """Documents of Sync in memory; `problem` is raised by every call."""

    def __init__(self, problem: ApiProblem | None = None) -> None:
        self.stored: dict[str, SyncDocument] = {}
        self.problem = problem
        self.count = 0
        self.guard = threading.Lock()

    def _store(self, name: str, content: Mapping[str, object]) -> SyncDocument:
        self.count += 1
        self.stored[name] = SyncDocument(name, str(self.count), dict(content))
        return self.stored[name]

    def get_document(self, name: str) -> SyncDocument | None:
        return self.stored.get(name)

    def create_document(self, name: str, content: Mapping[str, object], *, ttl: int = 0) -> SyncDocument:
        if self.problem:
            raise self.problem
        with self.guard:
            if name in self.stored:
                raise Conflict("the name is taken", status=409, code=54301)
            return self._store(name, content)

    def update_document(
        self, name: str, content: Mapping[str, object], *, ttl: int = 0, if_match: str | None = None
    ) -> SyncDocument:
        if self.problem:
            raise self.problem
        with self.guard:
            if name not in self.stored:
                raise NotFound("it is gone", status=404)
            if if_match not in (None, self.stored[name].revision):
                raise Conflict("its revision moved", status=412, code=54103)
            return self._store(name, content)

    def delete_document(self, name: str) -> None:
        del self.stored[name]


def hold(
    documents: Documents,
    folder: Path,
    holder: Holder,
    timeout: float = 0.0,
    *,
    told: list[Any] | None = None,
    **more: Any,
) -> AbstractContextManager[Lease]:
    told = [] if told is None else told
    return hold_lock(
        cast("Platform", documents),
        name=NAME,
        file=folder / "lock",
        on_sync=True,
        holder=holder,
        timeout=timeout,
        report=told.append,
        **more,
    )


def test_one_holder_at_a_time_and_none_afterwards(tmp_path: Path) -> None:
    documents = Documents()
    with hold(documents, tmp_path, this_process()) as lease:
        lease.check()
        with pytest.raises(Locked) as refused, hold(documents, tmp_path, this_process()):
            pass
        assert f"process {os.getpid()}" in refused.value.why
        assert refused.value.exit_code == 5
    assert documents.stored == {}


def test_of_many_at_once_one_at_a_time_gets_it(tmp_path: Path) -> None:
    documents, inside, most = Documents(), [], []

    def run() -> None:
        with hold(documents, tmp_path, this_process(), timeout=30.0):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_answer_that_was_lost_is_our_own_lock(tmp_path: Path) -> None:
    documents, holder = Documents(), this_process()
    documents.create_document(NAME, holder.to_json())
    with hold(documents, tmp_path, holder) as lease:
        lease.check()
    assert documents.stored == {}


def test_lapsed_lock_is_taken_by_its_revision(tmp_path: Path) -> None:
    documents = Documents()
    other = replace(this_process(), id="other", host="elsewhere", kernel="unknown")
    document = documents.create_document(NAME, other.to_json())
    with pytest.raises(Locked, match="somebody else"), hold(documents, tmp_path, this_process()):
        pass
    documents.stored[NAME] = replace(document, expired=True)
    with hold(documents, tmp_path, this_process()) as lease:
        lease.check()


def test_lock_that_somebody_took_is_lost_and_left_to_them(tmp_path: Path) -> None:
    documents = Documents()

    def wait_for_loss(lease: Lease) -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            lease.check()
            time.sleep(0.01)

    with hold(documents, tmp_path, this_process(), renew_every=0.02) as lease:
        documents.update_document(NAME, {"id": "theirs"})
        with pytest.raises(Locked, match="was lost"):
            wait_for_loss(lease)
    assert documents.stored[NAME].data == {"id": "theirs"}


def test_lock_is_renewed_while_it_is_held(tmp_path: Path) -> None:
    documents = Documents()
    with hold(documents, tmp_path, this_process(), renew_every=0.02) as lease:
        deadline = time.monotonic() + 300
        while documents.count < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        lease.check()


def test_without_sync_a_file_guards_this_machine_and_it_is_said(tmp_path: Path) -> None:
    documents = Documents(AccessDenied("no access to Sync", status=403))
    told: list[object] = []
    with hold(documents, tmp_path, this_process(), told=told):
        assert [type(event) for event in told] == [Warned]
        with pytest.raises(Locked), hold(documents, tmp_path, this_process()):
            pass
    with hold(documents, tmp_path, this_process()):
        pass


def test_stall_of_sync_is_no_leave_to_go_on(tmp_path: Path) -> None:
    documents = Documents(ApiProblem("Twilio is unwell", status=503))
    with pytest.raises(ApiProblem, match="unwell"), hold(documents, tmp_path, this_process()):
        pass


def test_file_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    script = (
        "import fcntl, sys, os\n"
        "file = open(sys.argv[1], 'a+'); fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    documents = Documents(AccessDenied("no access to Sync", status=403))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Locked), hold(documents, tmp_path, this_process()):
        pass
    process.kill()
    process.communicate()
    with hold(documents, tmp_path, this_process()):
        pass


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="elsewhere the lock is waited for")
def test_lease_of_a_killed_process_on_this_machine_is_taken_over_at_once(tmp_path: Path) -> None:
    """Somebody whose run was killed need not wait 60 s for its lease to expire."""
    script = (
        "import json, sys\n"
        "from ga_deploy.engine.lock.holder import this_process\n"
        "print(json.dumps(this_process().to_json()), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    documents = Documents()
    documents.create_document(NAME, json.loads(process.stdout.readline()))
    with pytest.raises(Locked, match="somebody else is deploying"), hold(documents, tmp_path, this_process()):
        pass
    process.kill()
    process.communicate()
    with hold(documents, tmp_path, this_process()) as lease:
        lease.check()


def test_dead_is_only_what_can_be_proved() -> None:
    here = this_process()
    assert not here.is_dead
    assert replace(here, started="another").is_dead, "the process id was given to another process"
    assert not replace(here, started="another", kernel="another").is_dead, "another machine, or another boot"
    assert not replace(here, started="another", host="another").is_dead
    assert not replace(here, started="another", pid=0).is_dead
    assert not replace(here, started="another", kernel="").is_dead


@pytest.mark.parametrize("stored", [{}, {"id": 1, "pid": "x"}, {"host": None}, {"since": []}])
def test_any_lock_can_be_described(stored: dict[str, object]) -> None:
    holder = read_holder(stored)
    assert "somebody@an unknown host" in holder.describe()
    assert not holder.is_dead


def test_holder_comes_back_as_it_was() -> None:
    holder = replace(this_process(), run="https://ci.example.com/1")
    assert read_holder(holder.to_json()) == holder
    assert "in https://ci.example.com/1 since 2" in holder.describe()


class Clocks:
    """Two clocks that only move when told; `during_renewal` seconds go by between a renewal and its answer."""

    def __init__(self) -> None:
        self.now = [1000.0, 2000.0]
        self.during_renewal = 0.0

    def read(self) -> tuple[float, ...]:
        return tuple(self.now)

    def leap(self, seconds: float, which: int | None = None) -> None:
        for place in range(len(self.now)):
            if which in (None, place):
                self.now[place] += seconds


@pytest.mark.parametrize("which", [0, 1], ids=["since boot", "wall"])
@pytest.mark.parametrize(("seconds", "is_over"), [(49, False), (51, True)])
def test_a_lease_is_over_by_the_clock_that_says_the_most(
    tmp_path: Path, which: int, seconds: int, is_over: bool
) -> None:
    documents, clocks = Documents(), Clocks()
    with hold(documents, tmp_path, this_process(), renew_every=3600, clocks=clocks.read) as lease:
        clocks.leap(-5000, 1 - which)
        clocks.leap(seconds, which)
        if not is_over:
            lease.check()
            return
        with pytest.raises(Locked, match="has expired") as told:
            lease.check()
        assert "last renewed 51 s ago and lasts 60 s" in told.value.why
        clocks.leap(-seconds, which)
        with pytest.raises(Locked):
            lease.check()
    assert NAME in documents.stored, "what may be another's by now is not deleted"


def test_a_renewal_that_succeeds_too_late_changes_nothing(tmp_path: Path) -> None:
    """Asleep between sending a renewal and reading its answer: the lock is ours again by then, but it expired."""
    clocks, renewed = Clocks(), threading.Event()

    class Late(Documents):
        def update_document(self, *args: object, **more: object) -> SyncDocument:
            clocks.leap(100)
            made = super().update_document(*args, **more)  # type: ignore[arg-type]
            renewed.set()
            return made

    with hold(Late(), tmp_path, this_process(), renew_every=0.01, clocks=clocks.read) as lease:
        assert renewed.wait(10)
        for _ in range(3):
            with pytest.raises(Locked, match="has expired"):
                lease.check()
            time.sleep(0.02)
