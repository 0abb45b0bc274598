"""docs/reference/mock-asapp.md names everything there is."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from ga_deploy.asapp_mock import faults
from ga_deploy.asapp_mock.script import SHIPPED, Ending, Report, Script, read_script

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "mock-asapp.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"[\w-]+", PAGE))


def test_every_script_ending_and_fault_is_described() -> None:
    words = [*SHIPPED, *Ending, *(one.name for one in fields(Report)), *(one.name for one in fields(faults.Fault))]
    words += [*get_args(faults.Endpoint), *filter(None, get_args(faults.Body))]
    words += [one.name for one in fields(Script) if one.name != "name"]
    assert [str(word) for word in words if str(word) not in NAMED] == []


def test_the_example_is_a_script() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    script = read_script(json.loads(example))
    assert (script.ending, len(script.steps)) == (Ending.SYSTEM, 4)
