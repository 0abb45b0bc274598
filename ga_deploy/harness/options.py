"""How simulated calls are run: what `simulate` and tests can choose, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ga_deploy.simulate.voices import read_voice

if TYPE_CHECKING:
    from collections.abc import Callable

    from ga_deploy.model.bundle import FunctionFile
    from ga_deploy.simulate.media.stream import Person


@cache
def read_voice_once(name: str) -> bytes:
    """Return a shipped voice or a WAV file as µ-law; each is read once a run. Raises DeployError for anything else."""
    return read_voice(name, Path())


def _keep(function: FunctionFile) -> str:
    return function.content


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True)
class HarnessOptions:
    """How a `FunctionHarness` runs calls.

    - `npm_cache`: the folder of the functions' packages; `on_fetch` gets a line for each request of npm for them.
    - `live`: the config's own ASAPP answers instead of the mock. `flow`: the calls go through the Studio flow.
    - `speed`: how many times faster than real time streams run; None: as each scenario says.
    - `caller_says`: a voice or WAV for every caller, instead of the scenario's. `person`: a real caller.
    - `read_voice`: returns a voice or WAV by its name, as µ-law.
    - `record_to`: returns the WAV file for a call's name and the number of its stream; None: no recordings.
    - `rewrite`: returns the source to run for a function.
    """

    npm_cache: Path
    live: bool = False
    flow: bool = False
    speed: float | None = None
    caller_says: str = ""
    person: Person | None = None
    read_voice: Callable[[str], bytes] = read_voice_once
    record_to: Callable[[str, int], Path] | None = None
    rewrite: Callable[[FunctionFile], str] = _keep
    on_fetch: Callable[[str], None] = _ignore
