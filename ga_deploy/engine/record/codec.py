"""Encoding releases, intents and numbers as contents of items, and decoding them with a check of every field.

The stored content may come from any version, or from an edit by hand. Contents are JSON objects that fit into one item
of Sync.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Literal, cast, get_args

from ga_deploy.engine.record.store import ITEM_BYTES
from ga_deploy.model.bundle import Visibility
from ga_deploy.model.release import Intent, Release, ReleasedAsset, ReleasedFunction, ReleasedVariable
from ga_deploy.model.sids import BuildSid, EnvironmentSid, ServiceSid, VersionSid
from ga_deploy.redact import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model.sync import SyncItem

RELEASE_KEY = re.compile(r"release\.(\d{6,})")


def pack_release(
    release: Release, numbers: Mapping[str, Mapping[str, object]], number_parts: int = 0
) -> dict[str, object]:
    """Return a release as the content of its item, shortened only as much as necessary.

    `numbers` are part of the content; `number_parts` is how many separate items they take otherwise.
    """
    content = {**_pack(release, numbers), "number_parts": number_parts}
    if not fits(content):
        # Values of non-secret variables can be left out: a rollback then needs those of the config.
        content["variables"] = {
            name: {
                "made": variable.made,
                "fingerprint": variable.fingerprint or fingerprint(variable.value or "", release.salt),
            }
            for name, variable in release.variables.items()
        }
    if not fits(content):
        _abbreviate(content, release)
    return {**content, "check": _digest(content)}


def fits(content: Mapping[str, object]) -> bool:
    """Whether Sync takes a content as one item."""
    return len(json.dumps(content)) <= ITEM_BYTES


def _abbreviate(content: dict[str, object], release: Release) -> None:
    """Shorten what is long in a project with many dependencies or deep folders."""
    root = release.function_set
    content["functions"] = {_shorten(path, root): entry for path, entry in _mapping(content["functions"]).items()}
    content["containers"] = [_shorten(path, root) for path in sorted(release.containers)]
    if all(release.sent_dependencies.get(name) == version for name, version in release.dependencies.items()):
        content["dependencies"] = sorted(release.dependencies)


def _shorten(path: str, root: str) -> str:
    return path.removeprefix(root)


def _lengthen(path: str, root: str) -> str:
    # Paths begin with a slash, so one that does not was shortened.
    return path if path.startswith("/") else root + path


def _unpack_dependencies(stored: object, sent: Mapping[str, str]) -> Mapping[str, str]:
    return {name: sent[name] for name in _texts(stored)} if isinstance(stored, list) else _text_mapping(stored)


def _pack(release: Release, numbers: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
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
        "numbers": pack_numbers(numbers),
        "when": release.when,
        "who": release.who,
        "command": release.command,
        "version": release.version,
        "domain_name": release.domain_name,
        "containers": sorted(release.containers),
        **({"flows": dict(sorted(release.flows.items()))} if release.flows else {}),
        **({"salt": release.salt} if release.salt else {}),
        **({"assets": _pack_assets(release.assets)} if release.assets else {}),
    }


def _pack_assets(assets: Mapping[str, ReleasedAsset]) -> dict[str, object]:
    return {
        path: {"version": asset.version, **({"kept": True} if asset.kept else {})}
        for path, asset in sorted(assets.items())
    }


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def unpack_release(item: SyncItem) -> Release:
    """Return the release in an item; raises KeyError, ValueError, TypeError or AttributeError if it is invalid."""
    stored = {key: value for key, value in item.data.items() if key != "check"}
    found = RELEASE_KEY.fullmatch(item.key)
    if found is None:
        raise ValueError(item.key)
    if item.data.get("check") != _digest(stored):
        # A wrong digest of a version would show a changed function as unchanged.
        raise ValueError("it was changed by hand, or is incomplete")
    root = _text(stored["set"])
    sent = _text_mapping(stored["sent_dependencies"])
    return Release(
        number=int(found.group(1)),
        function_set=root,
        service_sid=ServiceSid(_text(stored["service_sid"])),
        environment_sid=EnvironmentSid(_text(stored["environment_sid"])),
        build_sid=BuildSid(_text(stored["build_sid"])),
        fingerprint=_text(stored["fingerprint"]),
        functions={
            _lengthen(path, root): _unpack_function(entry) for path, entry in _mapping(stored["functions"]).items()
        },
        dependencies=_unpack_dependencies(stored["dependencies"], sent),
        sent_dependencies=sent,
        variables={name: _unpack_variable(entry) for name, entry in _mapping(stored["variables"]).items()},
        variables_digest=_text(stored["variables_digest"]),
        runtime=_optional_text(stored.get("runtime")),
        numbers=unpack_numbers(stored.get("numbers", {})),
        when=_text(stored.get("when", "")),
        who=_text(stored.get("who", "")),
        command=_text(stored.get("command", "up")),
        version=_text(stored.get("version", "")),
        domain_name=_text(stored.get("domain_name", "")),
        containers=tuple(_lengthen(path, root) for path in _texts(stored.get("containers", []))),
        flows=_text_mapping(stored.get("flows", {})),
        salt=_text(stored.get("salt", "")),
        assets={path: _unpack_asset(entry) for path, entry in _mapping(stored.get("assets", {})).items()},
    )


def count_number_parts(item: SyncItem) -> int | None:
    """Return how many separate items the numbers of a release take; None if an older version did not record it."""
    parts = item.data.get("number_parts")
    return parts if isinstance(parts, int) and not isinstance(parts, bool) else None


def pack_numbers(numbers: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Group numbers by their target: thousands of numbers share a few targets."""
    groups: dict[str, list[str]] = {}
    for number, target in sorted(numbers.items()):
        groups.setdefault(json.dumps(target, sort_keys=True), []).append(number)
    return dict(groups)


def unpack_numbers(groups: object) -> dict[str, Mapping[str, object]]:
    """Return numbers with their targets: the reverse of `pack_numbers`."""
    numbers: dict[str, Mapping[str, object]] = {}
    for target, members in _mapping(groups).items():
        reached = _mapping(json.loads(target))
        numbers.update(dict.fromkeys(_texts(members), reached))
    return numbers


def chunk_numbers(numbers: Mapping[str, Mapping[str, object]]) -> list[dict[str, Mapping[str, object]]]:
    """Return the numbers in parts that each fit into one item."""
    chunks: list[dict[str, Mapping[str, object]]] = []
    size = ITEM_BYTES
    for number, target in sorted(numbers.items()):
        # The largest cost: no other number of the part has the same target.
        cost = len(json.dumps(json.dumps(target))) + len(number) + 10
        if size + cost > ITEM_BYTES - 100:
            chunks.append({})
            size = 0
        chunks[-1][number] = target
        size += cost
    return chunks


def pack_intent(intent: Intent) -> dict[str, object]:
    """Return an intent as the content of its item."""
    content: dict[str, object] = {
        "release": intent.release,
        "set": intent.function_set,
        "paths": sorted(intent.paths),
        "variables": sorted(intent.variables),
        "dependencies": sorted(intent.dependencies),
        "sent_dependencies": dict(sorted(intent.sent_dependencies.items())),
        "containers": sorted(intent.containers),
        "when": intent.when,
    }
    if not fits(content):
        for name in ("paths", "containers"):
            content[name] = [_shorten(path, intent.function_set) for path in _texts(content[name])]
    return content


def unpack_intent(item: SyncItem) -> Intent | None:
    """Return the intent in an item; None if it is invalid."""
    try:
        root = _text(item.data["set"])
        return Intent(
            release=int(str(item.data["release"])),
            function_set=root,
            paths=tuple(_lengthen(path, root) for path in _texts(item.data.get("paths", []))),
            variables=_texts(item.data.get("variables", [])),
            dependencies=_texts(item.data.get("dependencies", [])),
            sent_dependencies=_text_mapping(item.data.get("sent_dependencies", {})),
            containers=tuple(_lengthen(path, root) for path in _texts(item.data.get("containers", []))),
            when=_text(item.data.get("when", "")),
        )
    except (KeyError, ValueError, TypeError):
        return None


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


def _unpack_asset(entry: object) -> ReleasedAsset:
    stored = _mapping(entry)
    return ReleasedAsset(VersionSid(_text(stored["version"])), kept=bool(stored.get("kept", False)))


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
