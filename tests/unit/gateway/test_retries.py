"""Whether and how long to wait before a request is sent again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.gateway.retries import Retries, read_retry_after


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
