"""`init`, `validate` and `schema` as a user meets them: processes, files, exit codes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.unit.config.cases import ENVIRON, complete

Run = Callable[..., subprocess.CompletedProcess[str]]
Golden = Callable[[str, str], None]


def files_in(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_init_writes_a_project_that_validates(ga_deploy: Run, golden: Golden, tmp_path: Path) -> None:
    made = ga_deploy("init", "project")
    assert made.returncode == 0, made.stderr
    golden("init/stdout.txt", made.stdout)
    files = files_in(tmp_path / "project")
    assert set(files) == {"config.yaml", ".env.example", ".gitignore", ".github/workflows/ga-deploy.yml"}
    golden("init/config.yaml", files["config.yaml"])
    for name in (".github/workflows/ga-deploy.yml", "config.yaml"):
        assert "[[" not in files[name]
        assert isinstance(yaml.safe_load(files[name]), dict)
    # The tests run from a folder, which the workflow's machine does not have: nobody's package is fetched by its name.
    assert "pip install 'ga-deploy" not in files[".github/workflows/ga-deploy.yml"]
    assert "${GA_DEPLOY_REQUIREMENT:?" in files[".github/workflows/ga-deploy.yml"]
    assert ".env" in files[".gitignore"].splitlines()
    valid = ga_deploy("validate", "--local", cwd=tmp_path / "project")
    assert (valid.returncode, valid.stderr) == (0, "")
    set_up = ga_deploy("validate", "--json", cwd=tmp_path / "project", env=ENVIRON)
    assert set_up.returncode == 0, set_up.stderr
    assert json.loads(set_up.stdout)["findings"] == []


def test_init_with_everything(ga_deploy: Run, tmp_path: Path) -> None:
    made = ga_deploy("--json", "-e", "production", "-c", "sales.yaml", "init", "--flow", "--templates")
    assert made.returncode == 0, made.stderr
    files = files_in(tmp_path)
    assert sorted(json.loads(made.stdout)["files"]) == sorted(files)
    config = yaml.safe_load(files["sales.yaml"])
    assert config["flow"]["enabled"] is True
    assert config["default_environment"] == "production"
    assert config["environments"]["production"]["domain_suffix"] == "production"
    assert config["templates"] == "./templates"
    assert "templates/functions/engage.js.j2" in files
    assert "--config sales.yaml" in files[".github/workflows/ga-deploy.yml"]
    valid = ga_deploy("validate", "--local", "-c", "sales.yaml")
    assert (valid.returncode, valid.stderr) == (0, "")


def test_init_never_overwrites_unasked(ga_deploy: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("node_modules/\n.env", encoding="utf-8")
    before = files_in(tmp_path)
    refused = ga_deploy("init")
    assert refused.returncode == 1
    assert "config.yaml" in refused.stderr
    assert "--force" in refused.stderr
    assert files_in(tmp_path) == before
    forced = ga_deploy("init", "--force")
    assert forced.returncode == 0
    after = files_in(tmp_path)
    assert after["config.yaml"] != "mine\n"
    assert after[".gitignore"] == "node_modules/\n.env\n.ga-deploy/\n"
    assert ga_deploy("init", "--force").returncode == 0
    assert files_in(tmp_path) == after


@pytest.mark.parametrize("argv", [("init", "file"), ("-e", "a b", "init", "new")])
def test_init_with_arguments_that_make_no_sense(ga_deploy: Run, tmp_path: Path, argv: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused = ga_deploy(*argv)
    assert refused.returncode == 64
    assert refused.stderr.startswith("error: ")
    assert list(files_in(tmp_path)) == ["file"]


@pytest.mark.parametrize("command", ["init", "render --out"])
def test_a_name_that_no_file_system_takes(ga_deploy: Run, command: str) -> None:
    assert ga_deploy("init").returncode == 0
    local = [] if command == "init" else ["--local"]
    refused = ga_deploy(*local, *command.split(), "x" * 300)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-3].startswith("error: cannot use ")
    assert refused.stderr.splitlines()[-3].endswith("x")
    assert "name" in refused.stderr.splitlines()[-2]


def test_validate_shows_all_findings_at_once(ga_deploy: Run, golden: Golden, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "twilio:\n"
        "  account_sid: ${TWILIO_ACCOUNT_SID}\n"
        "  auth_token: 0123456789abcdef0123456789abcdef\n"
        "asapp:\n"
        "  api_host: http://api.asapp.com\n"
        "  api_id: ${NOT_SET}\n"
        "  api_secret: ${ASAPP_API_SECRET}\n"
        "  timeout_ms: 2000\n"
        "  timeout_ms: 3000\n"
        "destinations:\n"
        "  support: {number: +15550100001, calller_id: called}\n"
        "outcomes:\n"
        "  agent:\n"
        "    - send: suport\n"
        "    - hangup\n"
        "    - say: never\n"
        "input: {taskName: on}\n",
        encoding="utf-8",
    )
    done = ga_deploy("validate", env=ENVIRON)
    assert (done.returncode, done.stdout) == (3, "")
    golden("validate/findings.txt", done.stderr)
    as_json = ga_deploy("validate", "--json", env=ENVIRON)
    assert as_json.returncode == 3
    error = json.loads(as_json.stdout)["error"]
    assert error["exit_code"] == 3
    assert [(one["line"], one["column"]) for one in error["findings"]] == [
        (3, 15), (5, 13), (6, 11), (9, 3), (11, 21), (11, 35), (14, 13), (16, 7), (17, 19)
    ]  # fmt: skip


def test_validate_without_a_config(ga_deploy: Run, golden: Golden) -> None:
    done = ga_deploy("validate")
    assert done.returncode == 3
    golden("validate/no-config.txt", done.stderr)


def test_validate_looks_into_hooks_and_templates(ga_deploy: Run, tmp_path: Path) -> None:
    assert ga_deploy("init", "--templates").returncode == 0
    with (tmp_path / "config.yaml").open("a", encoding="utf-8") as file:
        file.write("hooks: {after_call: ./after-call.js}\n")
    (tmp_path / "after-call.js").write_text("module.exports = (outcome, context) => {\n", encoding="utf-8")
    broken = ga_deploy("validate", "--local")
    assert broken.returncode == 3
    assert "after-call.js" in broken.stderr
    (tmp_path / "after-call.js").write_text("module.exports = (outcome, context) => undefined;\n", encoding="utf-8")
    assert ga_deploy("validate", "--local").returncode == 0


def test_validate_tells_when_a_built_in_template_has_changed(ga_deploy: Run, tmp_path: Path) -> None:
    assert ga_deploy("init", "--templates").returncode == 0
    lock = tmp_path / "templates" / ".built-in.json"
    copied = json.loads(lock.read_text(encoding="utf-8"))
    copied["copied_from"]["functions/engage.js.j2"] = "0" * 64
    copied["copied_from"]["functions/gone.js.j2"] = "0" * 64
    lock.write_text(json.dumps(copied), encoding="utf-8")
    done = ga_deploy("validate", "--local", "--json")
    assert done.returncode == 0
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["level"] == "warning"
    assert finding["what"] == "the built-in template `functions/engage.js.j2` has changed since you copied it"
    (tmp_path / "templates" / "functions" / "engage.js.j2").unlink()
    assert json.loads(ga_deploy("validate", "--local", "--json").stdout)["findings"] == []
    lock.write_text("[]", encoding="utf-8")
    (finding,) = json.loads(ga_deploy("validate", "--local", "--json").stdout)["findings"]
    assert finding["what"] == "`.built-in.json` cannot be read"


def test_schema_is_the_schema_itself(ga_deploy: Run) -> None:
    plain, as_json = ga_deploy("schema"), ga_deploy("schema", "--json")
    assert (plain.returncode, plain.stderr) == (0, "")
    assert plain.stdout == as_json.stdout
    jsonschema.Draft202012Validator.check_schema(json.loads(plain.stdout))


def answer(folder: Path, *answers: str) -> tuple[int, str]:
    """Run `init` at a terminal and type the answers; return the exit code and what was asked."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, "".join(f"{one}\n" for one in answers).encode())
        done = subprocess.run(
            [sys.executable, "-m", "ga_deploy", "init"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TERM": "dumb"},
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return done.returncode, os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_init_asks_at_a_terminal(tmp_path: Path) -> None:
    account = "AC" + "0123456789abcdef" * 2
    code, asked = answer(tmp_path, "not an account", account, "+1555010", "+1 (555) 010-0000", "+19005550000")
    assert code == 0, asked
    config = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert config["twilio"]["account_sid"] == account
    assert config["phone_numbers"] == [{"number": "+15550100000", "to": "engage"}]
    assert config["destinations"]["support"] == {"number": "+19005550000"}
    assert "This is not valid" in asked
    assert "too short for the country code +1" in asked
    assert "+19005550000 is a premium-rate number" in asked


def test_bind_number_warns_of_a_premium_rate_number(ga_deploy: Run, tmp_path: Path) -> None:
    """The unknown profile ends the command before Twilio is asked; the warning comes first."""
    (tmp_path / "config.yaml").write_text(complete(""), encoding="utf-8")
    done = ga_deploy("bind-number", "+19005550000", "+15550100000", "--profile", "nobody", env=ENVIRON)
    assert (done.returncode, "premium-rate numbers: +19005550000\n" in done.stderr) == (64, True), done.stderr


def test_init_gives_up_on_answers_that_stay_wrong(tmp_path: Path) -> None:
    code, _ = answer(tmp_path, "one", "two", "three")
    assert code == 64
    assert list(tmp_path.iterdir()) == []
