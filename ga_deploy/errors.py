"""Every error that reaches a user, and the exit code it ends in.

    DeployError                 what, why, fix, where            exit 1
    ├── ConfigInvalid           one or more findings             exit 3   nothing was sent
    ├── Refused                 one or more of a list            exit 1   nothing was changed
    ├── Denied                  credentials or permission        exit 4
    ├── Locked                  somebody else is deploying       exit 5
    ├── CallFailed              a simulated call or smoke test   exit 6
    ├── Usage                   the command line is wrong        exit 64
    └── ApiProblem              Twilio (or ASAPP) refused it     exit 1, or 4 for 401 and 403
        ├── NotFound            404
        ├── Conflict            409: the name is taken, or the state is the same
        ├── Throttled           429 after all retries; nothing was processed
        └── Unreachable         no answer: DNS, TLS, refused, timed out, cut off
            └── EmulatorGone    the emulator has ended

A `DeployError` carries the message for the user, and only `ui` prints it. A subclass exists only if code must
distinguish it. This module imports nothing of the project.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExitCode(IntEnum):
    """Exit codes of the command line; part of the public contract."""

    OK = 0
    FAILED = 1
    PENDING = 2
    INVALID = 3
    DENIED = 4
    LOCKED = 5
    CALL_FAILED = 6
    USAGE = 64
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, order=True)
class Place:
    """A position in a user's file; `line` and `column` count from 1, 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


class DeployError(Exception):
    """An error with what failed, why, and the fix.

    `what` is one line without a full stop; `fix` is a command or an edit. `request_id` is the platform's own
    id for the request that failed (Twilio `RQ…`, ASAPP `requestId`), for support.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        at: Place | str | None = None,
        request_id: str | None = None,
        exit_code: ExitCode | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.at = at
        self.request_id = request_id
        if exit_code is not None:
            self.exit_code = exit_code


@dataclass(frozen=True)
class Finding:
    """One problem in a file or argument of the user. `level` is `error` or `warning`."""

    what: str
    why: str = ""
    fix: str = ""
    at: Place | None = None
    level: str = "error"


class ConfigInvalid(DeployError):
    """The config (or a template, a hook, a scenario) cannot be used; all findings at once, nothing was sent."""

    exit_code = ExitCode.INVALID

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        if not findings:
            raise ValueError("an invalid config needs at least one finding")
        first = findings[0]
        super().__init__(first.what, why=first.why, fix=first.fix, at=first.at)
        self.findings = findings


class Refused(DeployError):
    """Some items of a list are not allowed, so nothing was done; it has all findings.

    `told` has the result of each item. It appears next to the error in JSON.
    """

    def __init__(
        self, what: str, findings: tuple[Finding, ...], *, why: str, fix: str, told: Mapping[str, object]
    ) -> None:
        if not findings:
            raise ValueError("a refusal needs at least one finding")
        super().__init__(what, why=why, fix=fix, at=findings[0].at if len(findings) == 1 else None)
        self.findings = findings
        self.told = told


class Outdated(DeployError):
    """The data is too old to write on. Nothing was sent; the data must be read again."""


class Denied(DeployError):
    """Credentials are wrong, belong to another account, or lack a permission."""

    exit_code = ExitCode.DENIED


class Locked(DeployError):
    """Somebody else is deploying to this environment."""

    exit_code = ExitCode.LOCKED


class CallFailed(DeployError):
    """A simulated call or a smoke test failed, or nothing is deployed to test."""

    exit_code = ExitCode.CALL_FAILED


class Usage(DeployError):
    """The command line is wrong."""

    exit_code = ExitCode.USAGE


class ApiProblem(DeployError):
    """A platform refused a request. `status` is the HTTP status (0: none), `code` the platform's own code."""

    def __init__(
        self,
        what: str,
        *,
        status: int = 0,
        code: int | str | None = None,
        why: str = "",
        fix: str = "",
        request_id: str | None = None,
        exit_code: ExitCode | None = None,
    ) -> None:
        super().__init__(what, why=why, fix=fix, request_id=request_id, exit_code=exit_code)
        self.status = status
        self.code = code


class NotFound(ApiProblem):
    """404: there is no such resource in this account."""


class Conflict(ApiProblem):
    """409: the name is taken, or the resource is in that state already."""


class Throttled(ApiProblem):
    """429 after every retry; the request was never processed."""


class Unreachable(ApiProblem):
    """No usable answer came. `maybe_processed`: the request may have taken effect nevertheless."""

    maybe_processed: bool = False


class EmulatorGone(Unreachable):
    """The emulator does not take connections any more. It does not restart by itself, so nothing waits for it."""


class Terminated(BaseException):
    """SIGTERM arrived. Not an `Exception`: only clean-up code and the command line's outermost function see it."""
