"""The pages made from the rule book and docs/assumptions.yaml: up to date, and nothing twice."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ga_deploy.twilio_rules.behaviour import BEHAVIOURS
from ga_deploy.twilio_rules.rows import Sure

if TYPE_CHECKING:
    from types import ModuleType

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_rule_pages", PROJECT / "scripts" / "make_rule_pages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "write"), [("unverified.md", "write_unverified"), ("reference/twilio-rules.md", "write_rules")]
)
def test_a_page_is_what_the_script_makes(script: ModuleType, page: str, write: str) -> None:
    written = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    assert written == getattr(script, write)(), (
        "change docs/assumptions.yaml or ga_deploy/twilio_rules, then run scripts/make_rule_pages.py"
    )


def test_every_assumption_has_a_check_and_stands_once(script: ModuleType) -> None:
    rows = [row for section in script.list_assumptions().values() for row in section]
    assert all(len(row) == 3 and all(part.strip() for part in row) for row in rows)
    assert not [row for row in rows if any("|" in part or "\n" in part for part in row)]
    said = ["".join(filter(str.isalnum, what.lower())) for what, _, _ in rows]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("one", BEHAVIOURS, ids=lambda one: one.what[:50])
def test_a_behaviour_has_a_source_or_a_check(one) -> None:
    if one.sure is Sure.ASSUMED:
        assert one.matters
        assert one.check
    else:
        assert one.source
