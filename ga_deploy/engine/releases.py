"""Releases in the record: reading the newest ones, writing the next, and the intent of one that has not ended.

Long because what is read was written by any version, or by hand, so each field is checked on its way in.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import socket
from typing import TYPE_CHECKING, Literal, cast, get_args

from ga_deploy.engine.records import ITEM_BYTES
from ga_deploy.events import Report, Warned, ignore
from ga_deploy.model import (
    BuildSid,
    EnvironmentSid,
    Intent,
    Record,
    Release,
    ReleasedFunction,
    ReleasedVariable,
    ServiceSid,
    VersionSid,
    Visibility,
)
from ga_deploy.redact import Secret, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.engine.records import Records
    from ga_deploy.model import SyncItem

INTENT_KEY = "unfinished"
_RELEASE_KEY = re.compile(r"release\.(\d{6,})")
# One page: the newest releases of every set of functions in the environment, and the intent.
_NEWEST = 20
# Numbers beyond this go into items of their own; some 20 bytes each.
_NUMBERS_INLINE = 200
_NUMBERS_PER_ITEM = 500

_CI_RUN = (
    "CI_JOB_URL",  # GitLab
    "BUILD_URL",  # Jenkins
    "BUILDKITE_BUILD_URL",
    "CIRCLE_BUILD_URL",
    "TRAVIS_BUILD_WEB_URL",
)


def read_record(records: Records, function_set: str, report: Report = ignore) -> Record:
    """Return what the record says about `function_set`; an unreadable item is skipped, aloud."""
    items = records.newest(_NEWEST)
    record = _read_items(items, function_set, records.where, report)
    if record.latest is None and len(items) == _NEWEST:
        # Other configs of this environment have filled the first page.
        everything = sorted(records.starting_with(""), key=lambda item: item.key, reverse=True)
        record = _read_items(everything, function_set, records.where, report)
    return record


def list_releases(records: Records, function_set: str | None, report: Report = ignore) -> list[Release]:
    """Return all releases of the environment (of one set, if given), newest first, with all their numbers."""
    releases = []
    spilled = records.starting_with("bindings.")
    for item in reversed(records.starting_with("release.")):
        release = _read_release(item, report)
        if release is not None and function_set in (None, release.function_set):
            releases.append(_with_spilled_numbers(release, spilled))
    return releases


def write_release(records: Records, release: Release) -> None:
    """Put a release into the record, its many numbers first, so that a release that can be read is complete."""
    inline = dict(release.numbers)
    if len(inline) > _NUMBERS_INLINE:
        numbers = sorted(inline)
        for part, start in enumerate(range(0, len(numbers), _NUMBERS_PER_ITEM)):
            chunk = {number: inline[number] for number in numbers[start : start + _NUMBERS_PER_ITEM]}
            records.put(f"bindings.{release.number:06d}.{part:03d}", {"numbers": _pack_numbers(chunk)})
        inline = {}
    content = _pack_release(release, inline)
    if len(json.dumps(content)) > ITEM_BYTES:
        # Values of non-secret variables are what can be missed: without them a rollback asks for the config's.
        content["variables"] = {
            name: {"made": variable.made, "fingerprint": variable.fingerprint or fingerprint(variable.value or "")}
            for name, variable in release.variables.items()
        }
    records.put(f"release.{release.number:06d}", {**content, "check": _digest(content)})


def write_intent(records: Records, intent: Intent) -> None:
    """Note what is about to be made, so that the next run knows it for ours if this one is killed."""
    records.put(
        INTENT_KEY,
        {
            "release": intent.release,
            "set": intent.function_set,
            "paths": sorted(intent.paths),
            "variables": sorted(intent.variables),
            "dependencies": sorted(intent.dependencies),
            "sent_dependencies": dict(sorted(intent.sent_dependencies.items())),
            "containers": sorted(intent.containers),
        },
    )


def record_variable(value: str | Secret, *, made: bool) -> ReleasedVariable:
    """Return a variable as a release keeps it: a secret as its fingerprint."""
    if isinstance(value, Secret):
        return ReleasedVariable(made=made, fingerprint=value.fingerprint())
    return ReleasedVariable(made=made, value=value)


def digest_variables(variables: Mapping[str, str | Secret]) -> str:
    """Return one fingerprint of all the variables, names and values."""
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in variables.items()}
    return fingerprint(json.dumps(plain, sort_keys=True))


def name_ci_run(environ: Mapping[str, str] = os.environ) -> str:
    """Return the address of the CI run that this process belongs to, if it can be known, else the empty string."""
    if environ.get("GITHUB_ACTIONS") == "true" and environ.get("GITHUB_RUN_ID"):
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        return f"{server}/{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{environ['GITHUB_RUN_ID']}"
    return next((environ[name] for name in _CI_RUN if environ.get(name)), "")


def name_user(environ: Mapping[str, str] = os.environ) -> str:
    """Return who runs this process: the CI's actor, else the login name."""
    if environ.get("GITHUB_ACTOR"):
        return environ["GITHUB_ACTOR"]
    if environ.get("GITLAB_USER_LOGIN"):
        return environ["GITLAB_USER_LOGIN"]
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # No entry for this uid, as in many containers.
        return "unknown"


def name_deployer(environ: Mapping[str, str] = os.environ) -> str:
    """Return who deploys, for the record: `user@host`, with the CI run if there is one."""
    who = f"{name_user(environ)}@{socket.gethostname()}"
    run = name_ci_run(environ)
    return f"{who} ({run})" if run else who


def _read_items(items: list[SyncItem], function_set: str, where: str, report: Report) -> Record:
    latest: Release | None = None
    last_number = 0
    intent: Intent | None = None
    for item in items:
        if item.key == INTENT_KEY:
            intent = _read_intent(item)
        found = _RELEASE_KEY.fullmatch(item.key)
        if not found:
            continue
        last_number = max(last_number, int(found.group(1)))
        if latest is None:
            release = _read_release(item, report)
            if release is not None and release.function_set == function_set:
                latest = release
    if intent is not None and (intent.function_set != function_set or intent.release <= last_number):
        intent = None
    return Record(where=where, latest=latest, last_number=last_number, intent=intent)


def _read_intent(item: SyncItem) -> Intent | None:
    try:
        return Intent(
            release=int(str(item.data["release"])),
            function_set=_text(item.data["set"]),
            paths=_texts(item.data.get("paths", [])),
            variables=_texts(item.data.get("variables", [])),
            dependencies=_texts(item.data.get("dependencies", [])),
            sent_dependencies=_text_mapping(item.data.get("sent_dependencies", {})),
            containers=_texts(item.data.get("containers", [])),
        )
    except (KeyError, ValueError, TypeError):
        return None


def _read_release(item: SyncItem, report: Report) -> Release | None:
    try:
        return _unpack_release(item)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        report(
            Warned(
                f"the record's item `{item.key}` cannot be read",
                why=f"{type(error).__name__}: {error}; it is ignored, and everything is looked up on Twilio",
                fix="run `ga-deploy up`, which writes a new one",
            )
        )
        return None


def _unpack_release(item: SyncItem) -> Release:
    stored = {key: value for key, value in item.data.items() if key != "check"}
    found = _RELEASE_KEY.fullmatch(item.key)
    if found is None:
        raise ValueError(item.key)
    if item.data.get("check") != _digest(stored):
        # A digest that says the wrong thing of a version would pass a changed function off as unchanged.
        raise ValueError("it was changed by hand, or is incomplete")
    return Release(
        number=int(found.group(1)),
        function_set=_text(stored["set"]),
        service_sid=ServiceSid(_text(stored["service_sid"])),
        environment_sid=EnvironmentSid(_text(stored["environment_sid"])),
        build_sid=BuildSid(_text(stored["build_sid"])),
        fingerprint=_text(stored["fingerprint"]),
        functions={path: _unpack_function(entry) for path, entry in _mapping(stored["functions"]).items()},
        dependencies=_text_mapping(stored["dependencies"]),
        sent_dependencies=_text_mapping(stored["sent_dependencies"]),
        variables={name: _unpack_variable(entry) for name, entry in _mapping(stored["variables"]).items()},
        variables_digest=_text(stored["variables_digest"]),
        runtime=_optional_text(stored.get("runtime")),
        numbers=_unpack_numbers(_mapping(stored.get("numbers", {}))),
        when=_text(stored.get("when", "")),
        who=_text(stored.get("who", "")),
        command=_text(stored.get("command", "up")),
        version=_text(stored.get("version", "")),
        domain_name=_text(stored.get("domain_name", "")),
        containers=_texts(stored.get("containers", [])),
        flows=_text_mapping(stored.get("flows", {})),
    )


def _pack_release(release: Release, numbers: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    return {
        "set": release.function_set,
        "service_sid": release.service_sid,
        "environment_sid": release.environment_sid,
        "build_sid": release.build_sid,
        "fingerprint": release.fingerprint,
        "functions": {
            path: {
                "version": function.version,
                "sha256": function.sha256,
                "visibility": function.visibility,
                **({"kept": True} if function.kept else {}),
            }
            for path, function in sorted(release.functions.items())
        },
        "dependencies": dict(sorted(release.dependencies.items())),
        "sent_dependencies": dict(sorted(release.sent_dependencies.items())),
        "variables": {
            name: {
                "made": variable.made,
                **({"value": variable.value} if variable.value is not None else {}),
                **({"fingerprint": variable.fingerprint} if variable.fingerprint is not None else {}),
            }
            for name, variable in sorted(release.variables.items())
        },
        "variables_digest": release.variables_digest,
        "runtime": release.runtime,
        "numbers": _pack_numbers(numbers),
        "when": release.when,
        "who": release.who,
        "command": release.command,
        "version": release.version,
        "domain_name": release.domain_name,
        "containers": sorted(release.containers),
        **({"flows": dict(sorted(release.flows.items()))} if release.flows else {}),
    }


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _pack_numbers(numbers: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Group numbers by what they reach: thousands of them share a few targets."""
    groups: dict[str, list[str]] = {}
    for number, target in sorted(numbers.items()):
        groups.setdefault(json.dumps(target, sort_keys=True), []).append(number)
    return dict(groups)


def _unpack_numbers(groups: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    numbers: dict[str, Mapping[str, object]] = {}
    for target, members in groups.items():
        reached = _mapping(json.loads(target))
        numbers.update(dict.fromkeys(_texts(members), reached))
    return numbers


def _with_spilled_numbers(release: Release, spilled: list[SyncItem]) -> Release:
    from dataclasses import replace

    numbers = dict(release.numbers)
    for item in spilled:
        if item.key.startswith(f"bindings.{release.number:06d}."):
            numbers.update(_unpack_numbers(_mapping(item.data.get("numbers", {}))))
    return replace(release, numbers=numbers)


def _unpack_function(entry: object) -> ReleasedFunction:
    stored = _mapping(entry)
    visibility = _text(stored["visibility"])
    if visibility not in get_args(Visibility):
        raise ValueError(visibility)
    return ReleasedFunction(
        version=VersionSid(_text(stored["version"])),
        sha256=_text(stored["sha256"]),
        visibility=cast("Literal['public', 'protected', 'private']", visibility),
        kept=bool(stored.get("kept", False)),
    )


def _unpack_variable(entry: object) -> ReleasedVariable:
    stored = _mapping(entry)
    return ReleasedVariable(
        made=bool(stored["made"]),
        value=_optional_text(stored.get("value")),
        fingerprint=_optional_text(stored.get("fingerprint")),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, got {type(value).__name__}")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"list expected, got {type(value).__name__}")
    return tuple(_text(entry) for entry in value)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"object expected, got {type(value).__name__}")
    return value


def _text_mapping(value: object) -> dict[str, str]:
    return {key: _text(entry) for key, entry in _mapping(value).items()}
