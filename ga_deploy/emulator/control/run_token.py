"""The token of a run: whoever wants something of its control plane has to show it.

It lies in a file that its owner alone can read, named after the port, where other commands of the same user find it. It
stands in no argument list, no environment and no message to a function. The file is locked while the emulator runs, so
that what a killed one left behind is told apart, and swept.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import IO, TYPE_CHECKING

from ga_deploy.advisory_lock import try_lock
from ga_deploy.folders import make_private_folder, open_private_file, user_cache
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from pathlib import Path


def token_file(port: int) -> Path:
    """Return where the token of the emulator at a port lies."""
    return user_cache() / "emulators" / f"{port}.token"


class RunToken:
    """A new token; `publish` lets this user's other processes find it, until `withdraw`."""

    def __init__(self) -> None:
        self.secret = Secret(secrets.token_urlsafe(32))
        self._file: IO[str] | None = None
        self._path: Path | None = None

    def publish(self, port: int) -> None:
        """Write the token down for the emulator at this port.

        Where the cache cannot be written, only the process that started the emulator knows the token.
        """
        with contextlib.suppress(OSError):
            path = token_file(port)
            make_private_folder(path.parent)
            _sweep(path.parent)
            file = open_private_file(path)
            if not try_lock(file):
                file.close()
                return
            file.truncate(0)
            file.write(self.secret.reveal())
            file.flush()
            self._path, self._file = path, file

    def withdraw(self) -> None:
        """Remove the file. Safe to call twice."""
        file, self._file = self._file, None
        if file is not None and self._path is not None:
            file.close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def find_token(port: int) -> Secret | None:
    """Return the token of the emulator that this user runs at a port; None when none is known."""
    try:
        return Secret(token_file(port).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _sweep(folder: Path) -> None:
    for left_over in folder.glob("*.token"):
        with contextlib.suppress(OSError), left_over.open("a+", encoding="utf-8") as file:
            if try_lock(file):
                left_over.unlink(missing_ok=True)
