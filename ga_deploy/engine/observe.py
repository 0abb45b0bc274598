"""One look at the account: what the environment is now, read in parallel and never from a local copy.

    1  service ∥ numbers ∥ record      2  environments      3  live build ∥ variables      4  sources, function names

Only what the comparison needs is read: with a good record nothing of step 4, since versions never change and the
record knows the content of ours by their SIDs.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.number_settings import host_and_path
from ga_deploy.engine.releases import read_record
from ga_deploy.errors import DeployError, NotFound
from ga_deploy.events import Report, ignore
from ga_deploy.model import Environment, LiveFunction, Observed, read_marker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.engine.records import Records
    from ga_deploy.model import (
        Build,
        Desired,
        FunctionResource,
        FunctionVersion,
        Record,
        ServiceSid,
        Variable,
        VersionSid,
    )

_DEPLOY_ONCE = "try again in a minute; if it stays so, deploy the service once with the tool that made it"


def observe(
    platform: Platform,
    pool: Pool,
    desired: Desired,
    records: Records,
    *,
    earlier: Observed | None = None,
    with_sources: bool = False,
    report: Report = ignore,
) -> Observed:
    """Return what there is. `earlier` saves reading sources again; `with_sources` reads those of ours in any case.

    Raises `DeployError` when the environment cannot be what the config says (its domain suffix is taken), and what the
    platform raises.
    """
    wanted_numbers = [wish.number for wish in desired.numbers]
    service_read = pool.start(lambda: platform.find_service(desired.service_name))
    record_read = pool.start(lambda: read_record(records, desired.function_set, report))
    numbers_read = pool.start(lambda: platform.list_numbers(wanted_numbers)) if wanted_numbers else None
    service = service_read.result()
    environments = tuple(platform.list_environments(service.sid)) if service else ()
    environment = choose_environment(desired, environments)
    build: Build | None = None
    variables: tuple[Variable, ...] = ()
    if service and environment:
        sid, place = service.sid, environment.sid
        variables_read = pool.start(lambda: tuple(platform.list_variables(sid, place)))
        build = _read_build(platform, service.sid, environment)
        variables = variables_read.result()
    record = _trust(record_read.result(), service.sid if service else None)
    records.announce()
    live: tuple[LiveFunction, ...] = ()
    resources: tuple[FunctionResource, ...] = ()
    if service:
        needs_names = build is None or not desired.paths <= {version.path for version in build.function_versions}
        service_sid = service.sid
        names_read = pool.start(lambda: tuple(platform.list_functions(service_sid))) if needs_names else None
        if build:
            known = _known_functions(earlier)
            live = read_live(platform, pool, service.sid, build, desired, record, known, with_sources=with_sources)
        resources = names_read.result() if names_read else ()
    return Observed(
        service=service,
        environments=environments,
        environment=environment,
        build=build,
        live=live,
        resources=resources,
        variables=tuple(sorted(variables, key=lambda variable: variable.key)),
        numbers=numbers_read.result() if numbers_read else {},
        record=record,
        called_paths=_find_called_paths(platform, desired, environment, live, record),
    )


def _find_called_paths(
    platform: Platform, desired: Desired, environment: Environment | None, live: Iterable[LiveFunction], record: Record
) -> frozenset[str]:
    """Return which paths that are about to leave the build a number of the account still points at.

    The config need not know such a number: `bind-number` may have pointed it there, or somebody in the Console.
    """
    kept = {path for path, function in record.latest.functions.items() if function.kept} if record.latest else None
    leaving = {
        function.version.path
        for function in live
        if function.version.path not in desired.paths
        and function.version.visibility != "private"
        and (function.marked_set == desired.function_set if kept is None else function.version.path in kept)
    }
    if not leaving or environment is None:
        return frozenset()
    called = set()
    for number in platform.list_numbers(None).values():
        for url in (number.settings.voice_url, number.settings.voice_fallback_url):
            host, path = host_and_path(url)
            if host == environment.domain_name.lower():
                called.add(path)
    return frozenset(leaving & called)


def choose_environment(desired: Desired, environments: Iterable[Environment]) -> Environment | None:
    """Return the environment of that name, None if it is to be made; raise if its suffix is taken."""
    environments = tuple(environments)
    for environment in environments:
        if environment.unique_name == desired.environment:
            return environment
    for environment in environments:
        # Twilio: a suffix (none, too) belongs to one environment of a service; a second one gets 409.
        if (environment.domain_suffix or None) == (desired.domain_suffix or None):
            suffix = f"the domain suffix `{desired.domain_suffix}`" if desired.domain_suffix else "the bare domain"
            raise DeployError(
                f"environment `{desired.environment}` cannot be created",
                why=f"{suffix} of this service belongs to its environment `{environment.unique_name}`",
                fix=f"name the environment `{environment.unique_name}` in the config, or take another `domain_suffix`",
            )
    return None


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
    """Return the functions of a build, reading the sources that the record cannot vouch for."""
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
        # Without its build nothing can be carried over: going on would take everything else offline.
        raise DeployError(
            f"the live build of environment `{environment.unique_name}` cannot be read",
            why=f"{problem.what}; a new build made without it would drop the functions of others",
            fix=_DEPLOY_ONCE,
        ) from problem
    if not build.function_versions and not build.asset_versions:
        # Twilio refuses empty builds (20001): it holds something, and does not tell what.
        raise DeployError(
            f"the live build of environment `{environment.unique_name}` does not tell what is in it",
            why=f"Twilio names no function and no asset of {build.sid}; a new build would drop those of others",
            fix=_DEPLOY_ONCE,
        )
    return build


def _trust(record: Record, service: ServiceSid | None) -> Record:
    """Drop a release that speaks of another service: one of the same name was deleted and made anew."""
    if record.latest and record.latest.service_sid != service:
        return replace(record, latest=None)
    return record


def _known_functions(earlier: Observed | None) -> dict[VersionSid, LiveFunction]:
    if earlier is None:
        return {}
    return {function.version.sid: function for function in earlier.live if function.was_read}
