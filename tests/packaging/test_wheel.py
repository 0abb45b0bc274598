"""The wheel holds what the tree holds, and works where there is no tree."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # No isolation: hatchling is in the dev extra, and a test does not go to the network for a build backend.
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--wheel", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    [made] = out.glob("*.whl")
    return made


def test_templates_travel_in_the_wheel(wheel: Path) -> None:
    tree = {
        path.relative_to(ROOT / "templates").as_posix() for path in (ROOT / "templates").rglob("*") if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    prefix = "ga_deploy/_templates/"
    shipped = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    assert shipped == tree | {"config.example.yaml"}
    assert "ga_deploy/emulator/functions/host.js" in names
    assert "ga_deploy/py.typed" in names
    assert [name for name in names if name.startswith("ga_deploy/simulate/scenarios/")]


def test_the_wheel_works_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    work = tmp_path / "work"
    work.mkdir()
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def ga_deploy(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ga_deploy", *argv],
            cwd=work,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    made = ga_deploy("init")
    assert made.returncode == 0, made.stderr
    rendered = ga_deploy("--local", "render", "--out", "project")
    assert rendered.returncode == 0, rendered.stderr
    assert (work / "project/functions/engage.protected.js").is_file()


def test_a_project_installs_the_wheel_that_made_it(wheel: Path, tmp_path: Path) -> None:
    """As pip leaves it: the wheel unpacked, and beside its metadata the place it came from."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        assert metadata.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    told = {
        "url": wheel.as_uri(),
        "archive_info": {"hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}},
    }
    (tmp_path / "site" / metadata).with_name("direct_url.json").write_text(json.dumps(told), encoding="utf-8")
    made = subprocess.run(
        [sys.executable, "-m", "ga_deploy", "init", "work"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert f"from wheels/{wheel.name}" in made.stdout
    assert (tmp_path / "work/wheels" / wheel.name).read_bytes() == wheel.read_bytes()
    workflow = (tmp_path / "work/.github/workflows/ga-deploy.yml").read_text(encoding="utf-8")
    assert workflow.count(f"pip install './wheels/{wheel.name}[local]'") == 2
