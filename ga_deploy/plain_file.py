"""Files that a user names, read so that a pipe, a device or a folder in their place makes no command hang."""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Twilio's and ours are far smaller; whoever reads a kind of file that may be larger says so.
USUAL_LIMIT = 4 * 1024 * 1024
# A pipe that the shell opened for this command (`<(...)`, `/dev/stdin`) has somebody who writes to it.
_HANDED_OVER = re.compile(r"/dev/(?:fd/\d+|stdin)|/proc/self/fd/\d+")


def read_plain_file(path: Path, limit: int = USUAL_LIMIT) -> bytes:
    """Return the content of a file, at most `limit` bytes and one more, by which the caller can tell that it is larger.

    A pipe is read only where the shell gave it to this command. Raises OSError with words for the user in `strerror`
    for any other pipe, a device or a folder, as for a file that is not there; ValueError for a path with a NUL.
    """
    waits = _HANDED_OVER.fullmatch(str(path)) is not None
    # Without O_NONBLOCK, to open a pipe is to wait for somebody who writes to it.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | (0 if waits else getattr(os, "O_NONBLOCK", 0))
    handle = os.open(path, flags)
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind) and not (waits and stat.S_ISFIFO(kind)):
        os.close(handle)
        raise OSError(errno.EINVAL, f"it is {_name_kind(kind)}, not a file", str(path))
    with os.fdopen(handle, "rb") as file:
        return file.read(limit + 1)


def read_plain_text(path: Path, limit: int = USUAL_LIMIT) -> str:
    """Return the text of a file in UTF-8, its line ends as `\\n`.

    Raises what `read_plain_file` does, OSError too for a file of more than `limit` bytes, and UnicodeDecodeError.
    """
    content = read_plain_file(path, limit)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit // 1024} KB", str(path))
    return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def _name_kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"
