"""Every case beside this file: a config text, and exactly the findings that it brings, with their places."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.config import cases

ALL = cases.read_cases()


@pytest.mark.parametrize("case", [case for _, case in ALL], ids=[name for name, _ in ALL])
def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    config, findings = cases.judge(case, tmp_path)
    assert [cases.in_short(finding) for finding in findings] == case["expect"]
    assert (config is None) == any(": " in line and " error: " in line for line in case["expect"])
    for finding in findings:
        assert finding.what == finding.what.strip()
        assert not finding.what.endswith(".")
        assert "\n" not in finding.what
        assert finding.why, finding
        assert finding.fix, finding
        for secret in ("hunter22", "0123456789abcdef", "not-a-number-but-private"):
            assert secret not in finding.what + finding.why + finding.fix


def test_cases_have_names_of_their_own() -> None:
    names = [name for name, _ in ALL]
    assert len(set(names)) == len(names)
