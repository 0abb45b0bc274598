"""Where an installation came from decides what a workflow installs: by name only what came from the index."""

import json
import re
from pathlib import Path

import pytest

from ga_deploy import __version__
from ga_deploy.installation import Installation, find_installation, read_direct_url

COMMIT = "9f2c1d4e5b6a79808f1e2d3c4b5a69788f7e6d5c"
SHA256 = "a" * 64


@pytest.mark.parametrize(
    ("told", "expected", "requirement"),
    [
        (
            {"url": "https://git.example.com/ga-deploy.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            Installation("git", f"git+https://git.example.com/ga-deploy.git@{COMMIT}"),
            f"ga-deploy[local] @ git+https://git.example.com/ga-deploy.git@{COMMIT}",
        ),
        (
            {
                "url": "file:///wheels/ga%20deploy/ga_deploy-1.0-py3-none-any.whl",
                "archive_info": {"hashes": {"sha256": SHA256}},
            },
            Installation("wheel", "/wheels/ga deploy/ga_deploy-1.0-py3-none-any.whl", SHA256),
            "ga-deploy[local] @ file:///wheels/ga%20deploy/ga_deploy-1.0-py3-none-any.whl",
        ),
        (
            {"url": "file:///src/ga-deploy", "dir_info": {"editable": True}},
            Installation("folder", "/src/ga-deploy"),
            "ga-deploy[local] @ file:///src/ga-deploy",
        ),
        ({"url": "https://files.example.com/ga.whl", "archive_info": {}}, Installation("unknown"), None),
        (
            {"url": "https://me:secret@git.example.com/x.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            Installation("unknown"),
            None,
        ),
        (
            {"url": "https://hg.example.com/x", "vcs_info": {"vcs": "hg", "commit_id": "1"}},
            Installation("unknown"),
            None,
        ),
        ({"no": "url"}, Installation("unknown"), None),
        (["a list"], Installation("unknown"), None),
    ],
)
def test_what_pip_recorded_is_what_is_installed_again(
    told: object, expected: Installation, requirement: str | None
) -> None:
    found = read_direct_url(json.dumps(told))
    assert found == expected
    assert found.requirement("local") == requirement


def test_the_name_alone_is_used_only_for_what_came_from_the_index() -> None:
    assert Installation("index").requirement() == f"ga-deploy=={__version__}"
    assert Installation("unknown").requirement("local") is None
    assert "ga-deploy[" not in Installation("unknown").advise("local")


def test_the_advice_installs_from_the_same_place() -> None:
    wheel = Installation("wheel", "/wheels/ga_deploy-1.0-py3-none-any.whl")
    requirement = "ga-deploy[local] @ file:///wheels/ga_deploy-1.0-py3-none-any.whl"
    assert wheel.advise("local") == f"run `pip install '{requirement}'`"
    assert wheel.advise("local", again=True) == f"run `pip install --force-reinstall '{requirement}'`"


def test_no_message_installs_by_the_name_alone() -> None:
    package = Path(__file__).parents[2] / "ga_deploy"
    named = [file for file in package.rglob("*") if file.suffix in {".py", ".js", ".j2"}]
    assert named
    assert not [file for file in named if re.search(r"pip install\S* \S*ga-deploy", file.read_text(encoding="utf-8"))]


def test_garbage_is_no_origin() -> None:
    assert read_direct_url("{") == Installation("unknown")


def test_these_tests_run_from_a_folder() -> None:
    found = find_installation()
    assert found.origin == "folder"
    assert (Path(found.place) / "pyproject.toml").is_file()
