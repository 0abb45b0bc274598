"""What the package imports it declares: what comes along with another package may stay away with its next release."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What pydantic is made of, and pins to the very version that fits.
PARTS_OF_PYDANTIC = {"annotated_types", "pydantic_core"}
# Asked for by whoever wants a microphone; the command that needs it says how to get it.
OPTIONAL = {"sounddevice"}


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    return {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in requirements}


def imported() -> set[str]:
    found: set[str] = set()
    for file in (ROOT / "ga_deploy").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"ga_deploy"} - OPTIONAL - PARTS_OF_PYDANTIC


def test_what_is_imported_is_declared() -> None:
    distributions = packages_distributions()
    # What is for another system is not installed here, and then goes by its own name.
    missing = {name for name in imported() if not {one.lower() for one in distributions.get(name, [name])} & declared()}
    assert not missing, "add them to pyproject.toml, and a line each to docs/adr/0006-dependencies.md"


def test_every_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "adr" / "0006-dependencies.md").read_text(encoding="utf-8").lower()
    first_cells = " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("|"))
    assert not {name for name in declared() if name not in re.split(r"[ ,`<>=]+", first_cells)}
