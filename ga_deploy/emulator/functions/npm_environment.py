"""What npm gets of the user's environment: enough to reach the registry that the user's own npm uses."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ga_deploy.child_environment import CA_VARIABLES, PROXY_VARIABLES, TEMPORARY_VARIABLES, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Where npm looks for the user's `.npmrc`, its cache and its global settings.
_PLACES = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PREFIX")
# npm's own defaults go on for minutes at a registry that is not there; whoever sets them otherwise is obeyed.
_USUAL = {"fetch_retries": "2", "fetch_retry_mintimeout": "1000", "fetch_retry_maxtimeout": "8000"}
# `_authToken=${NPM_TOKEN}`, also as `${NPM_TOKEN?}` (npm docs: npmrc).
_REFERENCE = re.compile(r"\$\{([^${}?]+)\??\}")


def npm_environment(node: Path, npm_cli: Path) -> dict[str, str]:
    """Return the environment of npm: settings (`npm_config_*`), proxies, certificates, and what its `.npmrc` names.

    The certificate settings that other tools read are made known to Node too.
    """
    settings = {name: value for name, value in os.environ.items() if name.lower().startswith("npm_config_")}
    files = _find_npmrc(settings, node, npm_cli)
    named = _find_references(files)
    environment = {
        **clean_environment((*TEMPORARY_VARIABLES, *_PLACES, *PROXY_VARIABLES, *CA_VARIABLES, *named)),
        **settings,
    }
    for name, value in _USUAL.items():
        if read_setting(environment, name) is None:
            environment[f"npm_config_{name}"] = value
    if not environment.get("NODE_EXTRA_CA_CERTS"):
        for other in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            if environment.get(other):
                environment["NODE_EXTRA_CA_CERTS"] = environment[other]
                break
    return environment


def read_setting(environment: Mapping[str, str], name: str) -> str | None:
    """Return a setting of npm that is a variable, in whatever case it is written; None when there is none."""
    wanted = f"npm_config_{name}"
    return next((value for key, value in environment.items() if key.lower() == wanted), None)


def count_retries(environment: Mapping[str, str]) -> int:
    """Return how often npm repeats a request that failed."""
    text = read_setting(environment, "fetch_retries") or ""
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else int(_USUAL["fetch_retries"])


def _find_npmrc(settings: Mapping[str, str], node: Path, npm_cli: Path) -> list[Path]:
    """Return the configuration files that npm reads (npm docs: npmrc), whether or not they exist."""
    prefix = read_setting(settings, "prefix") or os.environ.get("PREFIX")
    base = Path(prefix) if prefix else (node.parent if os.name == "nt" else node.parent.parent)
    own = read_setting(settings, "userconfig")
    everybodys = read_setting(settings, "globalconfig")
    return [
        Path(own) if own else Path("~/.npmrc").expanduser(),
        Path(everybodys) if everybodys else base / "etc" / "npmrc",
        npm_cli.parent.parent / "npmrc",
    ]


def _find_references(files: Iterable[Path]) -> set[str]:
    found: set[str] = set()
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            if file.is_file():
                found.update(_REFERENCE.findall(file.read_text(encoding="utf-8", errors="replace")))
    return found
