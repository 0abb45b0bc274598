"""What one command works on: an environment of one account, with its record and its lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ga_deploy.engine.builds import BuildTiming
from ga_deploy.engine.check import CUT_OVER_SECONDS
from ga_deploy.engine.guard import WriteGuard
from ga_deploy.engine.lock import LEASE_SECONDS
from ga_deploy.engine.number_records import ItemNumberRecord, LayeredNumberRecord
from ga_deploy.engine.records import open_file_records, open_records
from ga_deploy.events import Report, ignore

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.config.schema import Config
    from ga_deploy.engine.number_records import NumberRecord
    from ga_deploy.engine.platform import Platform
    from ga_deploy.engine.records import Records
    from ga_deploy.model import Desired


@dataclass(frozen=True)
class Session:
    """Whose environment, on which platform, with which records. Made by `open_session`, never changed.

    `desired` names the environment and says what it shall be; for commands that only change numbers it has no
    functions. `records` are the environment's releases, `numbers` what each number had before it was bound: Sync's
    record, with the one of this machine below it. `state` is `sync` or `local`, `folder` the `.ga-deploy` beside the
    config, `flow` the config if it has a flow. `guard` knows the lease while one is held.
    """

    platform: Platform
    desired: Desired
    records: Records
    numbers: NumberRecord
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
    """Return a session whose every write needs a lease (`engine.locking.hold`). Sends nothing.

    Long, because each setting of a session is named with its type and its default.
    """
    guard = WriteGuard()
    platform.guard_writes(guard.check)
    in_file = open_file_records(desired, folder, guard.check)
    records = open_records(platform, desired, in_file, state=state, report=report)
    numbers: NumberRecord = ItemNumberRecord(records, report)
    if state != "local":
        # A run without access to Sync has left that on this machine.
        numbers = LayeredNumberRecord(numbers, ItemNumberRecord(in_file))
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
