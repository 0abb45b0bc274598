"""Folders and files of ours on this machine: private ones, the user's cache, and temporary ones.

A temporary folder holds a locked file while its run lives. The system frees that lock even when the run is killed, and
so the next run can tell which folders nobody needs any more.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import IO

from ga_deploy.advisory_lock import try_lock

_MARK = ".in-use"
# A run that was killed between making the folder and locking it leaves one without the mark.
_UNMARKED_SECONDS = 3600


def user_cache() -> Path:
    """Return the folder for what all projects of this user share and what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ga-deploy"


def make_private_folder(folder: Path) -> None:
    """Make a folder (0700) that its owner alone can read; one that is there already is narrowed.

    Missing parents are made in the same way. Raises OSError when it cannot be made. A folder of somebody else stays as
    it is.
    """
    for missing in [parent for parent in reversed(folder.parents) if not parent.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _narrow(folder, 0o700)


def open_private_file(file: Path) -> IO[str]:
    """Open a text file for reading and appending that its owner alone can read (0600); an older one is narrowed."""
    opened = open(  # noqa: SIM115 - Path.open takes no opener
        file, "a+", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)
    )
    make_private(file)
    return opened


def write_private_file(file: Path, text: str) -> None:
    """Write a text file that its owner alone can read (0600)."""
    with open_private_file(file) as opened:
        opened.truncate(0)
        opened.write(text)


def make_private(file: Path) -> None:
    """Let the owner alone read a file, if there is one; somebody else's stays as it is."""
    _narrow(file, 0o600)


def _narrow(path: Path, mode: int) -> None:
    with contextlib.suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(mode)


class TemporaryFolder:
    """A new folder `path` in `parent` (default: the system's), removed by `remove` or, after a kill, by the next run.

    As a context it gives the path. Its name begins with `prefix`: a run sweeps what others left behind of that name.
    """

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep_once(parent, prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).resolve()
        # The mark has to be locked from the first moment on at which others can see it under its name. Windows cannot
        # rename what is open; there the moment between the two is left open.
        first = self.path / (_MARK if os.name == "nt" else f"{_MARK}-soon")
        self._mark = first.open("w", encoding="utf-8")
        try_lock(self._mark)
        if first.name != _MARK:
            first.rename(self.path / _MARK)

    def release(self) -> None:
        """Keep what is in the folder for good: it is no longer marked as temporary."""
        self._mark.close()
        (self.path / _MARK).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and all in it. Safe to call twice."""
        self._mark.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()


def sweep(parent: Path, prefix: str) -> None:
    """Remove this user's temporary folders whose names begin so and whose runs have ended without doing it."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if not folder.is_symlink() and folder.is_dir() and _is_own(folder) and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


_sweep_once = functools.lru_cache(sweep)


def _is_own(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()


def _is_abandoned(folder: Path) -> bool:
    try:
        with (folder / _MARK).open("r+", encoding="utf-8") as mark:
            return try_lock(mark)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > _UNMARKED_SECONDS
