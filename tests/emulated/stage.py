"""A folder with a config, an emulator that tests can look into, and the command line between them, in this process."""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ga_deploy.cli.run import run
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.gateway import Credentials, Endpoints, Gateway
from ga_deploy.local import ACCOUNT_SID, AUTH_TOKEN
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pytest


@dataclass
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


@dataclass
class Stage:
    """`run` is a command line as a user types it."""

    folder: Path
    emulator: Emulator
    base_url: str
    capsys: pytest.CaptureFixture[str]

    def run(self, *argv: str) -> Answer:
        self.capsys.readouterr()
        code = run(["--local", "-c", str(self.folder / "config.yaml"), *argv])
        shown = self.capsys.readouterr()
        return Answer(code, shown.out, shown.err)

    def ok(self, *argv: str) -> Answer:
        answer = self.run(*argv)
        assert answer.code == 0, answer.err
        return answer

    def report(self, only: str = "") -> dict[str, Any]:
        """The emulator's journal, without the polls of a build."""
        return self.emulator.journal.report(only=only, exclude=r"/Status$")

    def open_gateway(self) -> Gateway:
        credentials = Credentials(ACCOUNT_SID, ACCOUNT_SID, Secret(AUTH_TOKEN))
        return Gateway(credentials, endpoints=Endpoints.local(self.base_url))


S = TypeVar("S", bound=Stage)


@contextmanager
def set_up(
    kind: type[S],
    folder: Path,
    numbers: Sequence[str | dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[S]:
    """Give a stage of this kind in the folder; its account has these numbers."""
    emulator = Emulator(None, accounts=[Account(ACCOUNT_SID, AUTH_TOKEN, numbers=numbers)])
    before = signal.getsignal(signal.SIGTERM)
    with EmulatorThread(emulator) as base_url:
        monkeypatch.setenv("GA_DEPLOY_EMULATOR", base_url)
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
        try:
            yield kind(folder, emulator, base_url, capsys)
        finally:
            # The command line takes SIGTERM for itself.
            signal.signal(signal.SIGTERM, before)


def without_empty_numbers(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out the account's map of numbers, which stays when its last item goes.

    Sync deletes a map whatever is in it by then: another environment may just have written what a number had.
    """
    maps = {name: items for name, items in state["maps"].items() if name != "ga-deploy.numbers" or items}
    return {**state, "maps": maps}
