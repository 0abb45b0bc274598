"""What is said of a load: numbers, and a warning when the tester measured itself."""

from __future__ import annotations

import io

import pytest

from ga_deploy.output.call_results import tell_load
from ga_deploy.ui import Ui

LOAD: dict[str, float] = {
    "peak": 50,
    "calls_per_second": 3.85,
    "first_twiml_p50": 0.003,
    "first_twiml_p99": 0.098,
    "tester_late_p99_ms": 7.0,
    "tester_cpu_share": 0.3,
    "trustworthy": True,
}


@pytest.mark.parametrize("trustworthy", [True, False])
def test_a_slow_tester_is_a_warning_with_a_fix(trustworthy: bool) -> None:
    err = io.StringIO()
    tell_load(Ui(out=io.StringIO(), err=err, environ={}), {**LOAD, "trustworthy": trustworthy})
    said = err.getvalue()
    assert "At most 50 calls at once, 3.85 a second; answered within 3 ms (median), 98 ms (99 of 100)." in said
    assert ("warning: this tester was too slow" in said) is not trustworthy
    assert ("fix: lower --concurrency" in said) is not trustworthy
    assert "7 ms" in said
