"""What a function's process may touch of this machine: Node's permission model, where this Node has it.

The functions of a service may be somebody else's. They read their build, its packages and the host's own files, and
write to a temporary folder of their own; they start no processes and no worker threads and load no native code. The
permission model does not cover the network and signals (Node docs: Permission Model).
"""

from __future__ import annotations

import functools
import subprocess
from typing import TYPE_CHECKING

from ga_deploy.child_environment import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# From Node 25 on the permission model also closes the network, which functions need.
_FORMS = (("--permission", "--allow-net"), ("--permission",))
_SECONDS = 20


@functools.cache
def find_permission_flags(node: Path) -> tuple[str, ...]:
    """Return the options that turn the permission model on, with the network left open; none where Node knows none.

    Asks the executable itself, once: an option that it does not know ends it before it does anything.
    """
    for flags in _FORMS:
        try:
            asked = subprocess.run(
                [str(node), *flags, "--version"],
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if asked.returncode == 0:
            return flags
    return ()


def allow(flags: tuple[str, ...], *, read: Iterable[Path], write: Path) -> list[str]:
    """Return Node's options for a process that may read these files and folders, and read and write `write`."""
    if not flags:
        return []
    reads = [f"--allow-fs-read={path}" for path in (*read, write)]
    return [*flags, *reads, f"--allow-fs-write={write}"]
