"""Run the cases beside this file: a config text each, with the findings it has to bring, in their order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ga_deploy.config.load import LocalStandIn, load_config
from ga_deploy.config.schema import Config  # noqa: TC001 - a test module, read as a whole
from ga_deploy.errors import ConfigInvalid, Finding
from ga_deploy.redact import Secret

FOLDER = Path(__file__).parent / "cases"
ENVIRON = {
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
    "TWILIO_AUTH_TOKEN": "a-token-of-twilio",
    "ASAPP_API_ID": "an-id-of-asapp",
    "ASAPP_API_SECRET": "a-secret-of-asapp",
}
# What a case does not say itself stands below what it says, so that its places stay.
BASE = {
    "twilio": "twilio: {account_sid: '${TWILIO_ACCOUNT_SID}', auth_token: '${TWILIO_AUTH_TOKEN:-}'}",
    "asapp": "asapp: {api_host: api.asapp.com, api_id: '${ASAPP_API_ID}', api_secret: '${ASAPP_API_SECRET}'}",
    "caller_id": "caller_id: '+15550100099'",
    "outcomes": "outcomes: {agent: [hangup], failed: [hangup]}",
}
LOCAL = LocalStandIn(
    account_sid="AC" + "1" * 32,
    auth_token=Secret("local-token"),
    asapp_host="http://127.0.0.1:9/asapp",
    api_id=Secret("local-api-id"),
    api_secret=Secret("local-api-secret"),
)


def read_cases() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.stem}: {case['about']}", case)
        for path in sorted(FOLDER.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def complete(text: str) -> str:
    missing = [line for key, line in BASE.items() if not re.search(rf"^{key}:", text, re.MULTILINE)]
    text += "" if text.endswith("\n") or not text else "\n"
    return text + "".join(f"{line}\n" for line in missing)


def judge(case: dict[str, Any], folder: Path) -> tuple[Config | None, tuple[Finding, ...]]:
    """Return the config, if it is one, and all findings."""
    for name, text in case.get("files", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    path = folder / "config.yaml"
    path.write_text(case["config"] if case.get("whole") else complete(case["config"]), encoding="utf-8")
    try:
        config = load_config(
            path,
            case.get("environment"),
            local=LOCAL if case.get("local") else None,
            environ={} if case.get("local") else {**ENVIRON, **case.get("env", {})},
        )
    except ConfigInvalid as problem:
        return None, problem.findings
    return config, config.warnings


def in_short(finding: Finding) -> str:
    at = finding.at
    assert at is not None
    return f"{at.line}:{at.column} {finding.level}: {finding.what}"
