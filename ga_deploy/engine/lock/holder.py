"""Who deploys: a description for the record, and evidence that shows whether the holder of a lock still runs.

With this evidence, the lock of a killed run is taken over at once on the same machine: nobody waits for it to expire.
Two holders are the same process only if host, boot, process-id namespace, process id and start time are equal. A host
name alone proves nothing, since CI runners and containers share names.
"""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CI_RUN = (
    "CI_JOB_URL",  # GitLab
    "BUILD_URL",  # Jenkins
    "BUILDKITE_BUILD_URL",
    "CIRCLE_BUILD_URL",
    "TRAVIS_BUILD_WEB_URL",
)


@dataclass(frozen=True)
class Holder:
    """The holder of a lock, as written in the lock. Nothing in it is secret; `since` is ISO 8601 in UTC."""

    id: str
    host: str
    user: str
    run: str
    pid: int
    kernel: str
    started: str
    since: str
    command: str = "up"

    def to_json(self) -> dict[str, object]:
        """Return what goes into the lock."""
        return dict(self.__dict__)

    def describe(self) -> str:
        """Return who, where and since when, for an error message."""
        where = f"{self.user or 'somebody'}@{self.host or 'an unknown host'}"
        parts = [f"{where} (process {self.pid})" if self.pid else where]
        if self.run:
            parts.append(f"in {self.run}")
        if self.since:
            parts.append(f"since {self.since}")
        return " ".join(parts)

    @property
    def is_dead(self) -> bool:
        """Whether the process has provably ended: it ran on this system since its last boot, and does not run now."""
        if not self.kernel or self.kernel != _name_kernel() or self.host != socket.gethostname() or self.pid <= 0:
            return False
        return _start_of(self.pid) != self.started


def this_process(command: str = "up") -> Holder:
    """Return this process as a holder with a new id."""
    return Holder(
        id=uuid.uuid4().hex,
        host=socket.gethostname(),
        user=name_user(),
        run=name_ci_run(),
        pid=os.getpid(),
        kernel=_name_kernel(),
        started=_start_of(os.getpid()),
        since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=command,
    )


def read_holder(stored: Mapping[str, object]) -> Holder:
    """Return the holder in a lock. Missing or mistyped fields are empty, so that any lock can be described."""

    def text(name: str) -> str:
        value = stored.get(name, "")
        return value if isinstance(value, str) else ""

    pid = stored.get("pid")
    return Holder(
        id=text("id"),
        host=text("host"),
        user=text("user"),
        run=text("run"),
        pid=pid if isinstance(pid, int) else 0,
        kernel=text("kernel"),
        started=text("started"),
        since=text("since"),
        command=text("command"),
    )


def name_ci_run(environ: Mapping[str, str] = os.environ) -> str:
    """Return the address of the CI run that this process belongs to, if it can be known, else the empty string."""
    if environ.get("GITHUB_ACTIONS") == "true" and environ.get("GITHUB_RUN_ID"):
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        return f"{server}/{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{environ['GITHUB_RUN_ID']}"
    return next((environ[name] for name in _CI_RUN if environ.get(name)), "")


def name_user(environ: Mapping[str, str] = os.environ) -> str:
    """Return who runs this process: the CI's actor, else the login name."""
    if environ.get("GITHUB_ACTOR"):
        return environ["GITHUB_ACTOR"]
    if environ.get("GITLAB_USER_LOGIN"):
        return environ["GITLAB_USER_LOGIN"]
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # No entry for this uid, as in many containers.
        return "unknown"


def name_deployer(environ: Mapping[str, str] = os.environ) -> str:
    """Return who deploys, for the record: `user@host`, with the CI run if there is one."""
    who = f"{name_user(environ)}@{socket.gethostname()}"
    run = name_ci_run(environ)
    return f"{who} ({run})" if run else who


@cache
def _name_kernel() -> str:
    """Return an id of this boot and this process-id namespace; empty if the system does not provide one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Containers on one machine share the kernel and may share a name, but not the process ids.
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        pass
    if sys.platform == "darwin":
        return _run("sysctl", "-n", "kern.boottime")
    return ""


def _start_of(pid: int) -> str:
    """Return the start time of a process in the format of the system; empty if there is no such process."""
    try:
        # Linux: field 22 of stat, after the command name, which may hold spaces and brackets itself.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if sys.platform == "darwin":
        return _run("ps", "-o", "lstart=", "-p", str(pid))
    return ""


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
