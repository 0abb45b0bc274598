"""The current state of an environment, read in parallel and never from a local copy: the core of a snapshot.

Only what the comparison needs is read. With a readable record this is no source and no function name, since versions
never change and the record has the digests of ours by their SIDs.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.settings import host_and_path
from ga_deploy.engine.plan.assets import find_our_assets
from ga_deploy.errors import DeployError, NotFound
from ga_deploy.model.bundle import read_marker
from ga_deploy.model.observed import LiveFunction, Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.release import Record
    from ga_deploy.model.serverless import (
        AssetVersion,
        Build,
        Environment,
        FunctionResource,
        FunctionVersion,
        Service,
        Variable,
    )
    from ga_deploy.model.sids import ServiceSid, VersionSid

_DEPLOY_ONCE = "try again in a minute; if this persists, deploy the service once with the tool that created it"


def observe(
    platform: Platform,
    desired: Desired,
    pool: Pool,
    *,
    record_read: Callable[[], Record],
    announce: Callable[[], None],
    contents: bool = True,
    variables: bool = True,
    inventory: bool = False,
    sources: bool = False,
    earlier: Observed | None = None,
) -> Observed:
    """Return the environment as Twilio shows it now; the snapshot adds numbers and flows.

    Without `contents` it is only the environment, and its `variables` if requested. `inventory` adds every function and
    asset of the service, `sources` the code of our functions; `earlier` saves reading sources again. `record_read`
    waits for the record; then `announce` reports where the record is kept. Raises `DeployError` if another environment
    has the config's domain suffix, and what the platform raises.
    Long because the order of the reads decides how many round trips there are.
    """
    service = platform.find_service(desired.service_name)
    environment, environments = _find_environments(platform, desired, service, record_read)
    if contents and environment is None:
        refuse_taken_suffix(desired, environments)
    assets_read = pool.start(partial(platform.list_assets, service.sid)) if service and inventory else None
    build: Build | None = None
    found: tuple[Variable, ...] = ()
    if service and environment:
        sid, place = service.sid, environment.sid
        found_read = pool.start(lambda: tuple(platform.list_variables(sid, place))) if variables else None
        build = _read_build(platform, service.sid, environment) if contents else None
        found = found_read.result() if found_read else ()
    record = _trust(record_read(), service.sid if service else None)
    announce()
    live: tuple[LiveFunction, ...] = ()
    resources: tuple[FunctionResource, ...] = ()
    ours: tuple[AssetVersion, ...] = ()
    if service and contents:
        needs_names = inventory or build is None or not desired.paths <= {v.path for v in build.function_versions}
        names_read = pool.start(partial(platform.list_functions, service.sid)) if needs_names else None
        if build:
            known = _known_functions(earlier)
            live = read_live(platform, pool, service.sid, build, desired, record, known, with_sources=sources)
            ours = find_our_assets(platform, pool, desired, environment, build, record) if environment else ()
        resources = tuple(names_read.result()) if names_read else ()
    return Observed(
        service=service,
        environments=environments,
        environment=environment,
        build=build,
        live=live,
        resources=resources,
        assets=tuple(assets_read.result()) if assets_read else (),
        variables=tuple(sorted(found, key=lambda variable: variable.key)),
        record=record,
        called_paths=_find_called_paths(platform, desired, environment, live, record, ours),
        our_assets=frozenset(version.sid for version in ours),
    )


def _find_environments(
    platform: Platform, desired: Desired, service: Service | None, record_read: Callable[[], Record]
) -> tuple[Environment | None, tuple[Environment, ...]]:
    """Return the config's environment, if it exists, and all environments of the service."""
    if service is None:
        return None, ()
    environments = tuple(platform.list_environments(service.sid))
    environment = find_environment(desired, environments)
    if environment is None:
        environment = _find_unlisted(platform, desired, service.sid, record_read())
        environments = (*environments, environment) if environment else environments
    return environment, environments


def _find_called_paths(
    platform: Platform,
    desired: Desired,
    environment: Environment | None,
    live: Iterable[LiveFunction],
    record: Record,
    assets: Iterable[AssetVersion],
) -> frozenset[str]:
    """Return the paths that would leave the build although a number of the account still points at them.

    Such a number may be missing in the config: `bind-number` or somebody in the Console may have pointed it there.
    """
    kept = {path for path, function in record.latest.functions.items() if function.kept} if record.latest else None
    leaving = {
        function.version.path
        for function in live
        if function.version.path not in desired.paths
        and function.version.visibility != "private"
        and (function.marked_set == desired.function_set if kept is None else function.version.path in kept)
    }
    leaving |= {version.path for version in assets} - {file.path for file in desired.assets}
    if not leaving or environment is None:
        return frozenset()
    called = set()
    for number in platform.list_numbers(None).values():
        for url in (number.settings.voice_url, number.settings.voice_fallback_url):
            host, path = host_and_path(url)
            if host == environment.domain_name.lower():
                called.add(path)
    return frozenset(leaving & called)


def find_environment(desired: Desired, environments: Iterable[Environment]) -> Environment | None:
    """Return the environment of that name; None if there is none."""
    return next((each for each in environments if each.unique_name == desired.environment), None)


def _find_unlisted(platform: Platform, desired: Desired, service: ServiceSid, record: Record) -> Environment | None:
    """Return the environment in the record if the list does not show it: lists lag behind for seconds.

    Otherwise this would look like a first deployment, and every function would be created a second time.
    """
    latest = record.latest
    if latest is None or latest.service_sid != service:
        return None
    try:
        found = platform.get_environment(service, latest.environment_sid)
    except NotFound:
        return None
    return found if found.unique_name == desired.environment else None


def refuse_taken_suffix(desired: Desired, environments: Iterable[Environment]) -> None:
    """Raise `DeployError` if another environment has the domain suffix of the one to be created."""
    for environment in environments:
        # Twilio: a suffix (also the empty one) belongs to one environment of a service; a second one gets 409.
        if (environment.domain_suffix or None) == (desired.domain_suffix or None):
            suffix = f"the domain suffix `{desired.domain_suffix}`" if desired.domain_suffix else "the bare domain"
            raise DeployError(
                f"environment `{desired.environment}` cannot be created",
                why=f"{suffix} of this service belongs to its environment `{environment.unique_name}`",
                fix=f"name the environment `{environment.unique_name}` in the config, or take another `domain_suffix`",
            )


def read_live(
    platform: Platform,
    pool: Pool,
    service: ServiceSid,
    build: Build,
    desired: Desired,
    record: Record,
    known: Mapping[VersionSid, LiveFunction],
    *,
    with_sources: bool = False,
) -> tuple[LiveFunction, ...]:
    """Return the functions of a build; reads the sources whose content the record does not have."""
    paths = set(desired.paths)
    if record.latest:
        paths |= set(record.latest.functions)
    if record.intent:
        paths |= set(record.intent.paths)

    def look(version: FunctionVersion) -> LiveFunction:
        if version.sid in known and (known[version.sid].source is not None or not with_sources):
            return replace(known[version.sid], version=version)
        recorded = record.latest.functions.get(version.path) if record.latest else None
        if recorded and recorded.version == version.sid and not (with_sources and version.path in paths):
            return LiveFunction(version=version, sha256=recorded.sha256)
        if record.latest is not None and version.path not in paths:
            return LiveFunction(version=version)
        source = platform.read_source(service, version)
        return LiveFunction(
            version=version,
            sha256=hashlib.sha256(source.encode()).hexdigest(),
            marked_set=read_marker(source),
            was_read=True,
            source=source,
        )

    return tuple(pool.gather(partial(look, version) for version in build.function_versions))


def _read_build(platform: Platform, service: ServiceSid, environment: Environment) -> Build | None:
    if environment.build_sid is None:
        return None
    try:
        build = platform.get_build(service, environment.build_sid)
    except NotFound as problem:
        # Without the live build nothing of others can be kept: a new build would take it offline.
        raise DeployError(
            f"the live build of environment `{environment.unique_name}` cannot be read",
            why=f"{problem.what}; a new build made without it would drop the functions of others",
            fix=_DEPLOY_ONCE,
        ) from problem
    if not build.function_versions and not build.asset_versions:
        # Twilio refuses empty builds (20001), so this one has content that Twilio does not list.
        raise DeployError(
            f"Twilio does not list the content of the live build of environment `{environment.unique_name}`",
            why=f"it lists no function and no asset of {build.sid}; a new build would drop those of others",
            fix=_DEPLOY_ONCE,
        )
    return build


def _trust(record: Record, service: ServiceSid | None) -> Record:
    """Drop a release of another service: the earlier service of this name was deleted and created again."""
    if record.latest and record.latest.service_sid != service:
        return replace(record, latest=None)
    return record


def _known_functions(earlier: Observed | None) -> dict[VersionSid, LiveFunction]:
    if earlier is None:
        return {}
    return {function.version.sid: function for function in earlier.live if function.was_read}
