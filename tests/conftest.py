"""Fixtures of every test: the command line as a process of its own, and golden files of what people see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.contract.openapi import Contract

# Seconds say nothing on a machine that others use too: a property must hold, not be quick.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("house")

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"

# What differs from run to run, and what stands for it in a golden file. One normaliser for all of them.
_VOLATILE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(ZS|ZE|ZH|ZN|ZB|ZD|ZV|PN|FW|IS|ET|MP|RQ)[0-9a-f]{32}\b"), r"\1…"),
    (re.compile(r"\bRQ[0-9a-fA-F]{6,}\b"), "RQ…"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"\b([a-z0-9-]+?)-\d{4}(-[a-z0-9-]+)?\.twil\.io"), r"\1-0000\2.twil.io"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s)\b"), r"N \2"),
    # Of all functions: any template that changes would change it.
    (re.compile(r'fingerprint: "[0-9a-f]{8}"'), 'fingerprint: "…"'),
)


@pytest.fixture(scope="session")
def npm_cache(pytestconfig: pytest.Config) -> Path:
    """Where npm packages are kept between test runs; shared by all workers, safe to use at the same time."""
    return Path(pytestconfig.cache.mkdir("npm-packages"))


@pytest.fixture(scope="session")
def _contract(pytestconfig: pytest.Config) -> Contract:
    from tests.contract.openapi import Contract, description_folder  # few tests need it, and it takes a second to read

    return Contract(description_folder(Path(pytestconfig.cache.mkdir("openapi"))))


@pytest.fixture
def contract(_contract: Contract) -> Contract:
    """Twilio's OpenAPI description: `Emulator(on_exchange=contract.observe)`, then `assert contract.findings == []`."""
    _contract.findings.clear()
    _contract.seen.clear()
    return _contract


@pytest.fixture
def golden(tmp_path: Path) -> Callable[[str, str], None]:
    """Compare text with `tests/golden/NAME` after the one normaliser; `make golden` writes the files anew."""

    def compare(name: str, text: str) -> None:
        text = text.replace(str(tmp_path), "TMP").replace(str(ROOT), "ROOT")
        for pattern, stands_for in _VOLATILE:
            text = pattern.sub(stands_for, text)
        file = GOLDEN / name
        if os.environ.get("GOLDEN_UPDATE"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.is_file(), f"no golden file {name}: run `make golden` and look at what it wrote"
        assert text == file.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def ga_deploy(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as a user would: its own process, in an empty folder, without a terminal."""

    def run(
        *argv: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 110
    ) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GA_DEPLOY", "TWILIO_", "ASAPP_", "GITHUB_"))}
        return subprocess.run(
            [sys.executable, "-m", "ga_deploy", *argv],
            cwd=cwd or tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT), **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
