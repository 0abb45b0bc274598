"""Somebody else who deploys: changes an environment as the Console or twilio-run would, at a chosen moment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.serverless.builds import add_build, versions_of
from ga_deploy.emulator.serverless.deployments import activate
from ga_deploy.emulator.serverless.environments import add_environment
from ga_deploy.emulator.serverless.services import add_service
from ga_deploy.emulator.serverless.variables import add_variable
from ga_deploy.emulator.serverless.versions import add_container, add_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.emulator.core.backend import Backend
    from ga_deploy.emulator.core.store import Row

_KNOWN = {
    *("account", "service", "environment", "domain_suffix", "functions", "assets", "visibility", "remove"),
    *("dependencies", "variables", "runtime", "alone"),
}


def deploy(backend: Backend, change: Mapping[str, Any]) -> dict[str, Any]:
    """Deploy a change, complete before it returns, and tell what is live then.

    `service` and `environment` are unique names (made when missing, with `domain_suffix`); `account` is needed when
    there are several. `functions` and `assets` map paths to sources, `visibility` is theirs (default `protected` for
    functions, `public` for assets), `remove` lists paths to leave out, `dependencies` and `variables` are set,
    `runtime` too. The live build is the base unless `alone` is true (as twilio-run does it). Raises ValueError for
    what is misspelt.
    """
    if strange := sorted(set(change) - _KNOWN):
        raise ValueError(f"a foreign deployment has no {', '.join(strange)}; it has {', '.join(sorted(_KNOWN))}")
    with backend.store.transaction():
        service, environment = _place(backend, change)
        base = backend.store.one("builds", sid=environment["build"]) if environment["build"] else None
        kept = [] if base is None or change.get("alone") else versions_of(backend, base["sid"])
        replaced = {*change.get("functions", {}), *change.get("assets", {}), *change.get("remove", ())}
        versions = [row["sid"] for row in kept if row["path"] not in replaced]
        for kind in ("function", "asset"):
            for path, source in change.get(f"{kind}s", {}).items():
                versions.append(_upload(backend, service, kind, path, source, change.get("visibility")))
        defaults = {
            "twilio": backend.rules.default_twilio,
            "@twilio/runtime-handler": backend.rules.default_runtime_handler,
        }
        before = defaults if base is None else json.loads(base["dependencies"])
        runtime = change.get("runtime") or (base["runtime"] if base else backend.rules.default_runtime)
        dependencies = {**before, **change.get("dependencies", {})}
        for key, value in change.get("variables", {}).items():
            _set_variable(backend, environment, key, value)
        build = add_build(backend, service, versions, dependencies, runtime, outcome="completed") if versions else None
        deployment = activate(backend, environment, build["sid"] if build else None)
    return {
        "service_sid": service["sid"],
        "environment_sid": environment["sid"],
        "domain_name": environment["domain_name"],
        "build_sid": build["sid"] if build else None,
        "deployment_sid": deployment["sid"],
    }


def _place(backend: Backend, change: Mapping[str, Any]) -> tuple[Row, Row]:
    accounts = list(backend.directory.accounts)
    account = change.get("account") or accounts[0]
    if account not in accounts:
        raise ValueError(f"no such account: {account}")
    if not change.get("service") or not change.get("environment"):
        raise ValueError("a foreign deployment needs a service and an environment")
    service = backend.store.one("services", account=account, unique_name=change["service"]) or add_service(
        backend, account, change["service"], change["service"], include_credentials=True, ui_editable=False
    )
    environment = backend.store.one("environments", service=service["sid"], unique_name=change["environment"])
    return service, environment or add_environment(backend, service, change["environment"], change.get("domain_suffix"))


def _upload(backend: Backend, service: Row, kind: str, path: str, source: str, visibility: str | None) -> str:
    container = backend.store.one("containers", service=service["sid"], kind=kind, friendly_name=path)
    container = container or add_container(backend, service, kind, path)
    visibility = visibility or ("protected" if kind == "function" else "public")
    return str(add_version(backend, container, path=path, visibility=visibility, content=source.encode())["sid"])


def _set_variable(backend: Backend, environment: Row, key: str, value: str) -> None:
    row = backend.store.one("variables", environment=environment["sid"], key=key)
    if row is None:
        add_variable(backend, environment, key, value)
    else:
        backend.store.update("variables", row["seq"], {"value": value, "updated": backend.store.now()})
        backend.sites.refresh(environment=environment["sid"])
