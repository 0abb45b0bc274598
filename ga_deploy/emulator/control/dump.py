"""The end state of an account as one value that two runs can be compared by: no SIDs, no dates, no secrets."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.serverless.builds import status_of, versions_of

if TYPE_CHECKING:
    from ga_deploy.emulator.core.backend import Backend
    from ga_deploy.emulator.core.store import Row

_SID = re.compile(r"\b([A-Z]{2})[0-9a-f]{32}\b")


def dump(backend: Backend, account: str) -> dict[str, Any]:
    """Return services, numbers, Sync objects and flows of an account, by name.

    SIDs stand as `ZS…`, the random digits of a domain as `####`, variables as a digest of their value, sources as their
    sha256. What is only history or what Twilio cleans up by itself is counted under `spare`: leave that out of a
    comparison.
    """
    services = backend.store.rows("services", account=account)

    def plain(value: str) -> str:
        for service in services:
            base = service["domain_base"]
            value = re.sub(re.escape(base), base[:-4] + "####", value, flags=re.IGNORECASE)
        return _SID.sub(r"\1…", value)

    return {
        "services": {row["unique_name"]: _service(backend, row, plain) for row in services},
        "numbers": {
            # Unset is null in one place and an empty text in another, and means the same.
            row["phone_number"]: {k: v or "" for k, v in json.loads(plain(row["settings"])).items()}
            for row in backend.store.rows("numbers", account=account)
        },
        "documents": {
            row["unique_name"] or "": json.loads(plain(row["data"]))
            for row in backend.store.rows("documents", account=account)
            if row["expires"] is None or row["expires"] > backend.store.now()
        },
        "maps": {
            row["unique_name"] or "": {
                item["key"]: json.loads(plain(item["data"])) for item in backend.store.rows("items", map=row["sid"])
            }
            for row in backend.store.rows("maps", account=account)
        },
        "flows": [_flow(backend, row, plain) for row in backend.store.rows("flows", account=account)],
    }


def _service(backend: Backend, service: Row, plain: Any) -> dict[str, Any]:
    sid = service["sid"]
    functions: dict[str, int] = {}
    for row in backend.store.rows("containers", service=sid):
        functions[row["friendly_name"]] = functions.get(row["friendly_name"], 0) + 1
    environments = backend.store.rows("environments", service=sid)
    live = {row["build"] for row in environments}
    builds = backend.store.rows("builds", service=sid)
    spare_versions = backend.store.query(
        "SELECT count(*) AS n FROM versions WHERE service=? AND sid NOT IN (SELECT version FROM build_versions)", sid
    )
    return {
        "friendly_name": service["friendly_name"],
        "include_credentials": bool(service["include_credentials"]),
        "ui_editable": bool(service["ui_editable"]),
        # Friendly names of functions and assets, and how many have that name.
        "functions": dict(sorted(functions.items())),
        "environments": {row["unique_name"]: _environment(backend, row, plain) for row in environments},
        "spare": {
            "versions": spare_versions[0]["n"],
            "builds": sum(build["sid"] not in live for build in builds),
            "deployments": backend.store.count("deployments", service=sid),
            "failed_builds": [build["reason"] for build in builds if status_of(backend, build) == "failed"],
        },
    }


def _environment(backend: Backend, environment: Row, plain: Any) -> dict[str, Any]:
    build = backend.store.one("builds", sid=environment["build"]) if environment["build"] else None
    paths = {}
    for row in [] if build is None else versions_of(backend, build["sid"]):
        content = backend.store.query("SELECT content FROM versions WHERE sid=?", row["sid"])[0]["content"]
        paths[row["path"]] = {
            "kind": row["kind"],
            "visibility": row["visibility"],
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    variables = backend.store.rows("variables", environment=environment["sid"])
    return {
        "domain_suffix": environment["domain_suffix"],
        "paths": dict(sorted(paths.items())),
        "dependencies": {} if build is None else json.loads(build["dependencies"]),
        "runtime": None if build is None else build["runtime"],
        "variables": {
            row["key"]: _digest(plain(row["value"])) for row in sorted(variables, key=lambda row: row["key"])
        },
    }


def _flow(backend: Backend, flow: Row, plain: Any) -> dict[str, Any]:
    revisions = backend.store.rows("revisions", flow=flow["sid"])
    latest = revisions[-1]
    return {
        "friendly_name": latest["friendly_name"],
        "status": latest["status"],
        "revision": latest["revision"],
        "definition": json.loads(plain(latest["definition"])),
    }


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:16]
