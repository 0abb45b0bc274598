"""Waiting and letting through, by a clock that does not tick by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.gateway.retries import Gate, Retries, read_retry_after


class StillClock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("-1", None),
        ("7.5", None),
        ("soon", None),
        ("٧", None),
        ("9" * 400, 999999999.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header, 0.0) == seconds


@given(attempt=st.integers(1, 1_000), jitter=st.floats(0, 1, exclude_max=True), asked=st.none() | st.floats(0, 1e9))
def test_waits_stay_within_bounds(attempt: int, jitter: float, asked: float | None) -> None:
    retries = Retries(jitter=lambda: jitter)
    wait = retries.wait(attempt, asked)
    assert 0.25 <= wait <= max(retries.longest, retries.longest_asked)
    if asked is not None and asked <= retries.longest_asked:
        assert wait >= asked


def test_the_gate_is_halved_once_for_a_burst_and_opens_again() -> None:
    clock = StillClock()
    gate = Gate(8, clock)
    for _ in range(6):
        gate.throttled()
    assert gate.limit == 4, "refusals of requests that were under way together count once"
    clock.now += 2
    gate.throttled()
    clock.now += 2
    gate.throttled()
    clock.now += 2
    gate.throttled()
    assert gate.limit == 1, "never shut"
    for _ in range(20 * 7):
        gate.succeeded()
    assert gate.limit == 8
    for _ in range(100):
        gate.succeeded()
    assert gate.limit == 8


def test_a_gate_for_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Gate(0, StillClock())


def test_a_place_is_given_back_after_an_error() -> None:
    gate = Gate(1, StillClock())
    for _ in range(3):
        with pytest.raises(KeyError), gate.passage():
            raise KeyError
    with gate.passage():
        pass
