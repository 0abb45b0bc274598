"""The options of `simulate`, and the checks of them before any call is placed."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ga_deploy.errors import DeployError, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The value of `--audio` that means the person at this machine, instead of a file.
MICROPHONE = "microphone"


@dataclass(frozen=True)
class Options:
    """The options of `simulate` on the command line. Without `calls`, each scenario is one call."""

    scenarios: tuple[str, ...] = ()
    every: bool = False
    listed: bool = False
    calls: int | None = None
    concurrency: int | None = None
    audio: Path | None = None
    record: Path | None = None
    report: Path | None = None
    junit: Path | None = None
    asapp: Literal["mock", "live"] = "mock"
    flow: bool = False


def check_options(options: Options, *, local: bool) -> None:
    """Raise Usage for options that contradict each other."""
    if options.every and options.scenarios:
        raise Usage(
            "`--all` and scenarios exclude each other",
            why="`--all` runs every shipped scenario",
            fix="pass only one of them",
        )
    if options.listed and options.scenarios:
        why = "`--list` lists the shipped scenarios and runs none"
        raise Usage("`--list` and scenarios exclude each other", why=why, fix="pass only one of them")
    if local and options.asapp == "live":
        why = "`--local` uses the mock ASAPP"
        raise Usage("`--local` and `--asapp live` exclude each other", why=why, fix="pass only one of them")
    if options.calls and options.concurrency and options.concurrency > options.calls:
        raise Usage(
            f"`--concurrency {options.concurrency}` is more than `--calls {options.calls}`",
            why="there are never more calls at the same time than calls in total",
            fix=f"pass `--calls {options.concurrency}` or more, or a lower `--concurrency`",
        )
    if options.calls and str(options.audio) == MICROPHONE:
        raise Usage(
            "`--audio microphone` and `--calls` exclude each other",
            why="one person cannot make many calls",
            fix="pass a WAV, or leave out `--calls`",
        )


def check_outputs(options: Options, *, keep: Iterable[Path]) -> None:
    """Raise Usage or DeployError if an output file or folder is not writable, before the calls instead of after them.

    No output may replace the files of `keep`. The folder for recordings is created.
    """
    kept = {os.path.realpath(path) for path in (*keep, *([options.audio] if options.audio else ()))}
    files = [path for path in (options.junit, options.report) if path is not None]
    for path in files:
        if os.path.realpath(path) in kept:
            raise Usage(
                f"{path} would be overwritten",
                why="this command reads it",
                fix="name another file for the result",
            )
        _try_file(path)
    if len({os.path.realpath(path) for path in files}) < len(files):
        raise Usage(
            f"`--junit` and `--report` both name {files[0]}", why="one would overwrite the other", fix="name two"
        )
    if options.record is not None:
        _try_folder(options.record)


def _try_file(path: Path) -> None:
    """Open the file for writing, and leave nothing behind. A device or a pipe is not tried."""
    try:
        if path.is_dir():
            raise Usage(f"{path} cannot be written", why="it is a folder", fix="name a file")
        if not path.parent.is_dir():
            raise Usage(f"{path} cannot be written", why="its folder does not exist", fix="name a folder that exists")
        existed = path.exists()
        if existed and not path.is_file():
            return
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise DeployError(f"{path} cannot be written", why=why, fix="name another file") from None


def _try_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise DeployError(f"{folder} cannot hold recordings", why=why, fix="name another folder") from None
