"""How `make` finds its Python: asked of make itself, on paths with what people's machines have."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = f'exec "{sys.executable}" "$@"'
SHIM_OF_A_VERSION_NOT_SELECTED = "echo 'command not found' >&2; exit 127"
TOO_OLD = "exit 1"


def put(folder: Path, **scripts: str) -> Path:
    folder.mkdir()
    for name in ("make", "sh", "grep"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def make(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": str(path)}
    environ.pop("PYTHON", None)
    return subprocess.run(
        ["make", "--no-print-directory", "--file", str(ROOT / "Makefile"), *arguments],
        cwd=path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({"python3.13": SHIM_OF_A_VERSION_NOT_SELECTED, "python3.11": RUNS}, "python3.11"),
        ({"python3.12": TOO_OLD, "python3": RUNS}, "python3"),
        ({"python3": SHIM_OF_A_VERSION_NOT_SELECTED, "python": RUNS}, "python"),
    ],
)
def test_the_first_python_that_runs(tmp_path: Path, names: dict[str, str], found: str) -> None:
    path = put(tmp_path / "bin", **names)
    (path / "pyproject.toml").touch()
    done = make(path, "--dry-run", ".venv/.ready")
    assert f'"{found}" -m venv .venv' in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("names", "arguments", "why"),
    [
        ({}, (), "none on the PATH runs"),
        ({"python3": TOO_OLD}, (), "none on the PATH runs"),
        ({"python3": RUNS}, ("PYTHON=python9",), "`python9` does not run or is older"),
    ],
)
def test_no_python_at_all(tmp_path: Path, names: dict[str, str], arguments: tuple[str, ...], why: str) -> None:
    path = put(tmp_path / "bin", **names)
    (path / "pyproject.toml").touch()
    done = make(path, *arguments, ".venv/.ready")
    assert done.returncode == 2
    assert done.stdout.splitlines()[:2] == ["error: no Python 3.11 or newer found", f"  why: {why}"]
    assert not (path / ".venv").exists()
