"""Somebody else who deploys: changes an environment as the Console or twilio-run would, at a chosen moment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ga_deploy.emulator.builds import add_build, versions_of
from ga_deploy.emulator.containers import add_container, add_version
from ga_deploy.emulator.deployments import activate
from ga_deploy.emulator.environments import add_environment
from ga_deploy.emulator.serverless import add_service
from ga_deploy.emulator.variables import add_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.emulator.store import Row
    from ga_deploy.emulator.world import World

_KNOWN = {
    *("account", "service", "environment", "domain_suffix", "functions", "assets", "visibility", "remove"),
    *("dependencies", "variables", "runtime", "alone"),
}


def deploy(world: World, change: Mapping[str, Any]) -> dict[str, Any]:
    """Deploy a change, complete before it returns, and tell what is live then.

    `service` and `environment` are unique names (made when missing, with `domain_suffix`); `account` is needed when
    there are several. `functions` and `assets` map paths to sources, `visibility` is theirs (default `protected` for
    functions, `public` for assets), `remove` lists paths to leave out, `dependencies` and `variables` are set,
    `runtime` too. The live build is the base unless `alone` is true (as twilio-run does it). Raises ValueError for
    what is misspelt.
    """
    if strange := sorted(set(change) - _KNOWN):
        raise ValueError(f"a foreign deployment has no {', '.join(strange)}; it has {', '.join(sorted(_KNOWN))}")
    with world.store.transaction():
        service, environment = _place(world, change)
        base = world.store.one("builds", sid=environment["build"]) if environment["build"] else None
        kept = [] if base is None or change.get("alone") else versions_of(world, base["sid"])
        replaced = {*change.get("functions", {}), *change.get("assets", {}), *change.get("remove", ())}
        versions = [row["sid"] for row in kept if row["path"] not in replaced]
        for kind in ("function", "asset"):
            for path, source in change.get(f"{kind}s", {}).items():
                versions.append(_upload(world, service, kind, path, source, change.get("visibility")))
        defaults = {
            "twilio": world.rules.default_twilio,
            "@twilio/runtime-handler": world.rules.default_runtime_handler,
        }
        before = defaults if base is None else json.loads(base["dependencies"])
        runtime = change.get("runtime") or (base["runtime"] if base else world.rules.default_runtime)
        dependencies = {**before, **change.get("dependencies", {})}
        for key, value in change.get("variables", {}).items():
            _set_variable(world, environment, key, value)
        build = add_build(world, service, versions, dependencies, runtime, outcome="completed") if versions else None
        deployment = activate(world, environment, build["sid"] if build else None)
    return {
        "service_sid": service["sid"],
        "environment_sid": environment["sid"],
        "domain_name": environment["domain_name"],
        "build_sid": build["sid"] if build else None,
        "deployment_sid": deployment["sid"],
    }


def _place(world: World, change: Mapping[str, Any]) -> tuple[Row, Row]:
    accounts = list(world.directory.accounts)
    account = change.get("account") or accounts[0]
    if account not in accounts:
        raise ValueError(f"no such account: {account}")
    if not change.get("service") or not change.get("environment"):
        raise ValueError("a foreign deployment needs a service and an environment")
    service = world.store.one("services", account=account, unique_name=change["service"]) or add_service(
        world, account, change["service"], change["service"], include_credentials=True, ui_editable=False
    )
    environment = world.store.one("environments", service=service["sid"], unique_name=change["environment"])
    return service, environment or add_environment(world, service, change["environment"], change.get("domain_suffix"))


def _upload(world: World, service: Row, kind: str, path: str, source: str, visibility: str | None) -> str:
    container = world.store.one("containers", service=service["sid"], kind=kind, friendly_name=path)
    container = container or add_container(world, service, kind, path)
    visibility = visibility or ("protected" if kind == "function" else "public")
    return str(add_version(world, container, path=path, visibility=visibility, content=source.encode())["sid"])


def _set_variable(world: World, environment: Row, key: str, value: str) -> None:
    row = world.store.one("variables", environment=environment["sid"], key=key)
    if row is None:
        add_variable(world, environment, key, value)
    else:
        world.store.update("variables", row["seq"], {"value": value, "updated": world.store.now()})
        world.sites.refresh(environment=environment["sid"])
