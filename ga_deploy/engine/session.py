"""The session of one command: an environment of one account, with its record and its lease."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ga_deploy.engine.lock.guard import WriteGuard
from ga_deploy.engine.lock.held import HeldLocks, LockScope, take_both
from ga_deploy.engine.lock.lease import LEASE_SECONDS
from ga_deploy.engine.numbers.account_record import ACCOUNT_RECORD, AccountNumberRecord
from ga_deploy.engine.numbers.record import PREFIX, ItemNumberRecord
from ga_deploy.engine.record.store import (
    ForgivingRecords,
    SyncRecords,
    open_account_file,
    open_file_records,
    open_records,
    record_name,
)
from ga_deploy.engine.timing import CUT_OVER_SECONDS, BuildTiming
from ga_deploy.errors import DeployError
from ga_deploy.events import Report, ignore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ga_deploy.config.schema import Config
    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.engine.platform import Platform
    from ga_deploy.engine.record.file_store import FileRecords
    from ga_deploy.engine.record.store import Records
    from ga_deploy.model.desired import Desired


@dataclass(frozen=True)
class Session:
    """Which environment, on which platform, with which records. `open_session` makes it; it never changes.

    `desired` is the environment as the config describes it; commands that only change numbers leave out the functions.
    `records` holds the environment's releases. `numbers` holds the earlier settings of each bound number: the record on
    Sync, then the one on this machine. `state` is `sync` or `local`, `folder` is `.ga-deploy` beside the config, `flow`
    is the config if it has a flow. `guard` holds the current lease.
    """

    platform: Platform
    desired: Desired
    records: Records
    numbers: AccountNumberRecord
    folder: Path
    state: str
    guard: WriteGuard
    region: str | None = None
    report: Report = ignore
    lock_timeout: float = 90.0
    lease_seconds: int = LEASE_SECONDS
    timing: BuildTiming = field(default_factory=BuildTiming)
    check_within: float = CUT_OVER_SECONDS
    command: str = "up"
    flow: Config | None = None


def open_session(
    platform: Platform,
    desired: Desired,
    *,
    state: str,
    folder: Path,
    region: str | None = None,
    report: Report = ignore,
    lock_timeout: float = 90.0,
    lease_seconds: int = LEASE_SECONDS,
    timing: BuildTiming | None = None,
    check_within: float = CUT_OVER_SECONDS,
    command: str = "up",
    flow: Config | None = None,
) -> Session:
    """Return a session whose every write needs a lease (`hold`). Sends nothing.

    Long, because each setting of a session is named with its type and its default.
    """
    guard = WriteGuard()
    platform.guard_writes(guard.check)
    in_file = open_file_records(desired, folder, guard.check)
    records = open_records(platform, desired, in_file, state=state, report=report)
    numbers = _open_number_record(platform, desired, in_file, records, state=state)
    return Session(
        platform=platform,
        desired=desired,
        records=records,
        numbers=numbers,
        folder=folder,
        state=state,
        guard=guard,
        region=region,
        report=report,
        lock_timeout=lock_timeout,
        lease_seconds=lease_seconds,
        timing=timing or BuildTiming(),
        check_within=check_within,
        command=command,
        flow=flow,
    )


def _open_number_record(
    platform: Platform, desired: Desired, in_file: FileRecords, records: Records, *, state: str
) -> AccountNumberRecord:
    """Return the record of numbers: the account's map, the places of earlier versions, and the file on this machine."""
    holder = f"{desired.service_name}.{desired.environment}"
    account_file = open_account_file(in_file, ACCOUNT_RECORD)
    earlier = ItemNumberRecord(in_file)
    if state == "local":
        return AccountNumberRecord(account_file, holder, [earlier])
    # The environment's own record reports that there is no access to Sync.
    shared = ForgivingRecords(SyncRecords(platform, ACCOUNT_RECORD), account_file, ignore)

    def find_strays() -> Mapping[str, Sequence[RememberedNumber]]:
        return _find_strays(platform, desired)

    return AccountNumberRecord(
        shared,
        holder,
        [earlier, ItemNumberRecord(records)],
        left_in_file=account_file,
        find_strays=find_strays,
    )


def _find_strays(platform: Platform, desired: Desired) -> Mapping[str, Sequence[RememberedNumber]]:
    """Return the entries of earlier versions in the records of the service's other environments, by number."""
    found: dict[str, list[RememberedNumber]] = {}
    service = platform.find_service(desired.service_name)
    for environment in platform.list_environments(service.sid) if service else ():
        if environment.unique_name == desired.environment:
            continue
        records = SyncRecords(platform, record_name(desired.service_name, environment.unique_name))
        for number, entry in ItemNumberRecord(records, prefix=PREFIX).recall().items():
            found.setdefault(number, []).append(entry)
    return found


@contextmanager
def hold(session: Session, *, with_service: bool = False) -> Iterator[HeldLocks]:
    """Hold the environment's lock, and with `with_service` the service's; raises `Locked` (exit code 5).

    Inside the block the session may write while the lease is valid. If the lease is lost when the block ends, with or
    without an error, `Locked` is raised.

    Read the record before: that shows whether Sync is accessible, which a lock on Sync needs.
    """
    scope = LockScope(
        platform=session.platform,
        desired=session.desired,
        folder=session.folder,
        on_sync=session.state != "local" and session.records.where == "sync",
        command=session.command,
        report=session.report,
        lock_timeout=session.lock_timeout,
        lease_seconds=session.lease_seconds,
    )
    held = HeldLocks(scope)
    try:
        if with_service:
            take_both(held)
        else:
            held.take_environment()
        with session.guard.holding(held):
            yield held
            # Checked also if nothing was left to write: what this run reports may not be live any more.
            held.check()
    except DeployError as problem:
        explained = held.explain(problem)
        if explained is problem:
            raise
        raise explained from problem
    finally:
        held.give_back()
