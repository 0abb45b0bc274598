"""What must not be loaded to answer `--version` and `--help`: asked of the loaded modules, not of a clock."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("twilio", "requests", "pydantic", "jinja2", "rich", "yaml", "aiohttp", "dotenv", "asyncio")

PROBE = """
import json, sys
from ga_deploy.__main__ import main
sys.argv = ["ga-deploy", *{argv!r}]
try:
    main()
except SystemExit:
    pass
sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
"""


def loaded(*argv: str) -> tuple[str, set[str]]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GA_DEPLOY")}
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(argv=list(argv))], capture_output=True, text=True, check=True, env=environ
    )
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "argv", [["--version"], ["--help"], ["up", "--help"], ["bind-number", "--help"], ["--json", "--version"]]
)
def test_light(argv: list[str]) -> None:
    out, modules = loaded(*argv)
    assert out
    assert not {name for name in modules if name.split(".")[0] in HEAVY}


def test_version_imports_nothing_of_ours() -> None:
    out, modules = loaded("--version")
    assert out.startswith("ga-deploy ")
    assert {name for name in modules if name.startswith("ga_deploy")} == {"ga_deploy", "ga_deploy.__main__"}
