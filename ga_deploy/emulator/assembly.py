"""Puts one emulated platform together: the shared state, and the products on top of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.emulator.api2010 import numbers
from ga_deploy.emulator.core.accounts import Account, Directory
from ga_deploy.emulator.core.api import Routes
from ga_deploy.emulator.core.backend import Backend
from ga_deploy.emulator.core.store import Store
from ga_deploy.emulator.serverless import builds, deployments, environments, logs, services, variables, versions
from ga_deploy.emulator.serverless.build_worker import Builds
from ga_deploy.emulator.serverless.retention import collect
from ga_deploy.emulator.serverless.sites import Sites
from ga_deploy.emulator.studio import flows, webhook
from ga_deploy.emulator.sync import documents, maps
from ga_deploy.emulator.sync import services as sync_services

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ga_deploy.emulator.core.rules import Rules
    from ga_deploy.emulator.functions.npm import NodePackages

# The paths of each product, by the first part of its host name.
PRODUCTS: dict[str, Routes] = {
    "serverless": Routes(
        "serverless",
        services.routes,
        environments.routes,
        variables.routes,
        versions.routes,
        builds.routes,
        deployments.routes,
        logs.routes,
    ),
    "serverless-upload": versions.upload_routes,
    "api": numbers.routes,
    "studio": Routes("studio", flows.routes, webhook.routes),
    "sync": Routes("sync", sync_services.routes, documents.routes, maps.routes),
}


def assemble(
    state: Path | None, accounts: Sequence[Account], rules: Rules, packages: NodePackages | None = None
) -> Backend:
    """Return a platform with `accounts` and their numbers. `state` None keeps everything in memory.

    `packages` None installs and compiles nothing: builds complete at once. Raises DeployError when the state cannot be
    used.
    """
    backend = Backend(Store(state), rules, Directory(accounts))
    worker, sites = Builds(backend, packages), Sites(backend)
    backend.attach(sites=sites, builds=worker)
    backend.flow_calls = webhook.open_calls(backend)
    backend.collectors.append(partial(collect, backend))
    backend.stoppers += [worker.stop, sites.stop]
    for account in accounts:
        for number in account.numbers:
            numbers.seed_number(backend, account.sid, number)
    return backend
