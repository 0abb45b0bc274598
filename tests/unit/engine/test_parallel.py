"""Waiting for what is under way: always after an error, for a moment only after a signal."""

import threading
import time

import pytest

from ga_deploy.engine import parallel
from ga_deploy.errors import Terminated


def test_first_error_waits_for_what_runs() -> None:
    begun, ended = threading.Event(), []

    def slow() -> None:
        begun.set()
        time.sleep(0.1)
        ended.append(True)

    def failing() -> None:
        begun.wait(10)
        raise ValueError("first")

    with parallel.open_pool() as pool, pytest.raises(ValueError, match="first"):
        pool.gather([failing, slow])
    assert ended == [True]


def test_signal_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_PATIENCE", 0.1)
    release = threading.Event()
    began = time.monotonic()

    def interrupted() -> None:
        with parallel.open_pool() as pool:
            pool.start(lambda: release.wait(30))
            raise Terminated

    with pytest.raises(Terminated):
        interrupted()
    assert time.monotonic() - began < 10
    release.set()
