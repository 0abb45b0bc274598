"""The npm packages and Node runtimes that are allowed in a build.

Twilio resolves ranges anew at every build and uploads no lock file, so a range would let unread code into the next
build (Twilio docs: Dependencies). Only exact versions are accepted.
"""

from __future__ import annotations

import re
from typing import Any

from ga_deploy.config.references import Referenced
from ga_deploy.config.scalars import check_each, finding, show

RECOMMENDED_AXIOS = "1.20.0"
AXIOS_FLOOR = (1, 18, 0)

# axios/axios issues 10604 and 10636: published from a hijacked account on 31 March 2026, with a remote-access trojan.
COMPROMISED = {("axios", "1.14.1"), ("axios", "0.30.4")}

_NAME = re.compile(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*")
_EXACT = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_ELSEWHERE = re.compile(r"(file|link|git|git\+\w+|github|https?|ssh|npm|workspace):|^[\w-]+/[\w.-]+$|^\.{0,2}/")
_OLDEST_NODE = 20


def check_runtime(value: Any) -> Any:
    """Accept every Node runtime that Twilio may still accept; Twilio checks the newest ones."""
    if isinstance(value, Referenced) and value.stand_in:
        return "node22"
    match = re.fullmatch(r"node([0-9]{1,3})", value) if isinstance(value, str) else None
    if not match:
        raise finding(
            f"{show(value)} is not a runtime",
            "runtimes have names like node22",
            "write node22, or leave it empty",
        )
    if int(match[1]) < _OLDEST_NODE:
        raise finding(
            f"{show(value)} is no longer offered",
            "Twilio refuses builds on runtimes that are past their end of life",
            "write node22",
        )
    return str(value)


def check_dependencies(value: Any) -> Any:
    """Accept only exact versions from npm that are not known to be bad."""
    return check_each(value, check_dependency)


def check_dependency(name: str, version: Any) -> str:
    """Return the version; raise a finding if the package or this version is not allowed in a build."""
    _check_package(name, f"the dependency `{name}`")
    return _check_version(name, version, f"the dependency `{name}`")


def _check_package(name: str, label: str) -> None:
    if name == "@twilio/runtime-handler":
        raise finding(
            f"{label} cannot be chosen",
            "Twilio adds its own version to each build and refuses most versions on npm",
            "remove it; the functions do not need it",
        )
    if name == "plain-crypto-js":
        raise finding(
            f"{label} is malware",
            "it came with the compromised axios 1.14.1 and 0.30.4 and installs a trojan",
            "remove it, and find out who added it",
        )
    if not _NAME.fullmatch(name) or len(name) > 214:
        raise finding(
            f"{label} has no valid npm name",
            "npm names are lower case, e.g. axios or @scope/name",
            "correct the name",
        )


def _check_version(name: str, version: Any, label: str) -> str:
    if isinstance(version, Referenced) and version.stand_in:
        return str(version)
    if not isinstance(version, str):
        raise finding(
            f"{label} has no exact version",
            f"YAML reads {show(version)} as a number",
            f'write the whole version in quotes, e.g. "{version}.0"',
        )
    if (name, version) in COMPROMISED:
        raise finding(
            f"`{name}@{version}` is malware",
            "it was published from a hijacked account and installs a trojan; npm has removed it",
            f"use {name} {RECOMMENDED_AXIOS}",
        )
    if _ELSEWHERE.search(version):
        raise finding(
            f"{label} does not come from npm",
            "Twilio builds from the public npm registry only; file: and git sources fail",
            "publish it, or put the code into a hook",
        )
    exact = _EXACT.fullmatch(version)
    if not exact:
        raise finding(
            f"{label} has no exact version",
            f"{show(version)} is resolved again in every build, so two builds of one config may differ",
            f"write an exact version{f', e.g. {RECOMMENDED_AXIOS}' if name == 'axios' else ''}",
        )
    if name == "axios" and tuple(int(part) for part in exact.groups()[:3]) < AXIOS_FLOOR:
        raise finding(
            f"`axios@{version}` has known vulnerabilities",
            "advisories cover every version before 1.18.0",
            f"use {RECOMMENDED_AXIOS}",
        )
    return str(version)
