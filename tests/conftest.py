"""What every test has around it, and fixtures of them all: the command line as a process, golden files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.contract.openapi import Contract

# Seconds say nothing on a machine that others use too: a property must hold, not be quick.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
    database=None,  # what an earlier run found would be tried first in this one
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

# All that a run takes over from whoever starts it: where tools are, the way to the network, and what steers pytest. The
# rest (terminal, language, time zone, home, settings of ours or of a CI system) would decide what a test comes to.
_KEPT = re.compile(
    r"PATH|VIRTUAL_ENV|(LD|DYLD)_\w+|PYTHON\w*|PYTEST_\w+|COVERAGE_\w+|HYPOTHESIS_\w+|GOLDEN_UPDATE"
    r"|(https?|all|no)_proxy|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_\w+|\w+_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    r"|(PIP|pip)_\w+|(npm_config|NPM_CONFIG)_\w+"
)
_OWN_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the run surroundings of its own. What takes long to download is kept in pytest's cache, in the clone."""
    if hasattr(config, "workerinput"):  # a worker of pytest-xdist has those of the run that started it
        for name in ("COLUMNS", "LINES"):  # from C's readline, which pytest loads
            os.environ.pop(name, None)
        time.tzset()
        return
    # pytest keeps the folders of the last tests, for people to look into.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    own = config.stash[_OWN_FOLDER] = Path(tempfile.mkdtemp(prefix="ga-deploy-tests-"))
    (own / "home").mkdir()
    (own / "tmp").mkdir()
    settings = {
        "HOME": str(own / "home"),
        "TMPDIR": str(own / "tmp"),
        "XDG_CACHE_HOME": str(config.cache.mkdir("packages")),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(config.cache.mkdir("hypothesis")),
        "USER": "tester",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "TZ": "Asia/Kathmandu",  # a quarter of an hour off everybody's guess
        **_settings_of_registries(),
    }
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    os.environ.clear()
    os.environ.update({**settings, **kept, **{name: settings[name] for name in ("TZ", "PYTHONUTF8")}})
    time.tzset()
    tempfile.tempdir = None
    hypothesis.configuration.set_hypothesis_home_dir(os.environ["HYPOTHESIS_STORAGE_DIRECTORY"])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take away what was the run's own."""
    if own := config.stash.get(_OWN_FOLDER, None):
        shutil.rmtree(own, ignore_errors=True)


def _settings_of_registries() -> dict[str, str]:
    """Where this user's pip and npm look for packages, for these are no longer found at home."""
    home = Path.home()
    files = {
        "PIP_CONFIG_FILE": [home / ".config" / "pip" / "pip.conf", home / ".pip" / "pip.conf"],
        "npm_config_userconfig": [home / ".npmrc"],
    }
    found = {name: [str(file) for file in places if file.is_file()] for name, places in files.items()}
    return {name: places[0] for name, places in found.items() if places}


@pytest.fixture(scope="session")
def npm_cache() -> Path:
    """Where npm packages are kept between test runs; shared by all workers, safe to use at the same time."""
    from ga_deploy.local import npm_cache

    return npm_cache()


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
        *argv: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 500
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ga_deploy", *argv],
            cwd=cwd or tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
