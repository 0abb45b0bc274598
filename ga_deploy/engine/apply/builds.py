"""From a recipe to a completed build: function resources, uploads, the build, and waiting for it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.plan.ownership import RUNTIME_HANDLER
from ga_deploy.errors import ApiProblem, DeployError
from ga_deploy.events import Report, StepDone, StepProgress, StepStarted, Warned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.engine.timing import BuildTiming
    from ga_deploy.model.bundle import FunctionFile
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import BuildRecipe
    from ga_deploy.model.serverless import Build
    from ga_deploy.model.sids import FunctionSid, ServiceSid, VersionSid

# Twilio docs: about 1 MB a function (unconfirmed), 50 functions a build (older page).
_LARGE_SOURCE = 1_000_000
_MANY_FUNCTIONS = 50


def choose_resources(observed: Observed, files: tuple[FunctionFile, ...]) -> dict[str, FunctionSid]:
    """Return the function resource that each file's new version goes into, where there is one.

    Twilio: friendly names are not unique. The resource that the live build uses at that path comes first, then one
    whose friendly name is the path.
    """
    chosen: dict[str, FunctionSid] = {}
    named = {resource.friendly_name: resource.sid for resource in reversed(observed.resources)}
    live = {function.version.path: function.version.function_sid for function in observed.live}
    for file in files:
        sid = live.get(file.path) or named.get(file.path)
        if sid:
            chosen[file.path] = sid
    return chosen


def find_missing(observed: Observed, files: tuple[FunctionFile, ...]) -> frozenset[str]:
    """Return the paths for which a function resource has to be created."""
    there = choose_resources(observed, files)
    return frozenset(file.path for file in files if file.path not in there)


def await_unlisted(
    platform: Platform,
    service: ServiceSid,
    observed: Observed,
    files: tuple[FunctionFile, ...],
    timing: BuildTiming,
    now: datetime,
    report: Report,
) -> Observed:
    """Return the look once its list shows the function resources that an unfinished run may have made just before.

    Twilio takes a second function resource of the same name, so that nothing but the list can tell whether one is
    there, and the list may lag. What the earlier run was about to make, and when, is in its intent: until that is
    `timing.lists` seconds old, the list is read again. Afterwards what it does not show is taken not to exist.
    """
    intent = observed.record.intent
    expected = frozenset(intent.containers) if intent else frozenset()
    if observed.service is None or not expected & find_missing(observed, files):
        return observed
    deadline = time.monotonic() + _seconds_left(intent.when if intent else "", timing.lists, now)
    if deadline <= time.monotonic():
        return observed
    report(StepStarted("lists", "Waiting for the list of functions: an earlier run was about to create some"))
    while expected & find_missing(observed, files) and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(timing.poll, left))
        observed = replace(observed, resources=tuple(platform.list_functions(service)))
    report(StepDone("lists", "Read the list of functions again"))
    return observed


def _seconds_left(when: str, limit: float, now: datetime) -> float:
    """Return how much of `limit` seconds is left since `when`; at most all of them, whatever another clock says."""
    try:
        passed = (now - datetime.fromisoformat(when)).total_seconds()
    except (ValueError, TypeError):  # an earlier version did not note it
        return 0.0
    return min(limit, limit - passed)


def create_resource(platform: Platform, service: ServiceSid, path: str) -> tuple[str, FunctionSid]:
    """Create the function resource for a path; its friendly name is the path, as Twilio's own toolkit does it."""
    return path, platform.create_function(service, path).sid


def upload_all(
    platform: Platform,
    pool: Pool,
    service: ServiceSid,
    files: tuple[FunctionFile, ...],
    resources: Mapping[str, FunctionSid],
    report: Report,
) -> dict[str, VersionSid]:
    """Upload the files in parallel and return their new versions by path."""
    if not files:
        return {}
    report(StepStarted("upload", f"Uploading {len(files)} functions" if len(files) > 1 else "Uploading a function"))
    calls = [partial(platform.upload_version, service, resources[file.path], file) for file in files]
    versions = pool.gather(calls)
    report(StepDone("upload", f"Uploaded {len(files)} function{'s' if len(files) > 1 else ''}"))
    return {file.path: version.sid for file, version in zip(files, versions, strict=True)}


def make_build(
    platform: Platform,
    service: ServiceSid,
    recipe: BuildRecipe,
    uploaded: Mapping[str, VersionSid],
    report: Report,
    timing: BuildTiming,
) -> tuple[Build, Mapping[str, str]]:
    """Create a build and wait until it is completed; returns it and the dependencies it was given.

    Raises `DeployError` if it fails or takes longer than `timing.limit`, with the known possible causes.
    """
    report(StepStarted("build", "Building"))
    began = time.monotonic()
    build, sent = _create(platform, service, recipe, uploaded, report)
    status = build.status
    polls = 0
    while status != "completed":
        if status == "failed":
            raise _failed(recipe)
        if time.monotonic() - began > timing.limit:
            raise _endless(build, timing.limit)
        if polls:
            time.sleep(timing.poll)
        status = platform.build_status(service, build.sid)
        polls += 1
        if polls % 10 == 0:
            report(StepProgress("build", detail=f"{time.monotonic() - began:.0f} s"))
    report(StepDone("build", "Built", build.sid))
    return build, sent


def _create(
    platform: Platform, service: ServiceSid, recipe: BuildRecipe, uploaded: Mapping[str, VersionSid], report: Report
) -> tuple[Build, Mapping[str, str]]:
    versions = [*recipe.reuse.values(), *uploaded.values(), *recipe.kept.values(), *recipe.foreign.values()]

    def create(dependencies: Mapping[str, str]) -> Build:
        return platform.create_build(
            service,
            function_versions=sorted(versions),
            asset_versions=recipe.assets,
            dependencies=dependencies,
            runtime=recipe.runtime,
        )

    given = dict(recipe.dependencies)
    while True:
        try:
            return create(given), given
        except ApiProblem as problem:
            refused = _find_refused(problem, given)
            if refused is None:
                raise
            version = given.pop(refused)
            report(
                Warned(
                    f"the build goes without `{refused}` {version}, which the live build has",
                    why=f"Twilio did not accept it: {problem.why or problem.what}; the platform's default is used",
                    fix=_CHOOSE[refused],
                )
            )


# A build of others lists these among its dependencies, whether they requested them or the platform added its defaults.
# If Twilio refuses such a version later, a build without it gets the platform's default.
_CHOOSE = {
    "twilio": "set `service.dependencies.twilio` to a published version to choose one",
    RUNTIME_HANDLER: "test what others deployed in this service: it now runs with another handler",
}


def _find_refused(problem: ApiProblem, given: Mapping[str, str]) -> str | None:
    """Return which of the platform's packages Twilio refused, if it was one that the build was given."""
    told = f"{problem.why} {problem.what}"
    named = [name for name in _CHOOSE if name in given and re.search(rf"(?<![\w/-]){re.escape(name)}[@`]", told)]
    return named[0] if named and problem.status == 400 else None


def _failed(recipe: BuildRecipe) -> DeployError:
    """Return the error for a failed build. No field of Twilio gives a reason, so this lists what is known."""
    known = []
    if recipe.dependencies:
        listed = ", ".join(f"{name} {version}" for name, version in sorted(recipe.dependencies.items()))
        known.append(f"it was given the dependencies {listed}")
    total = len(recipe.upload) + len(recipe.reuse) + len(recipe.kept) + len(recipe.foreign)
    known.append(f"{total} functions")
    if total > _MANY_FUNCTIONS:
        known.append(f"which may be more than the {_MANY_FUNCTIONS} that Twilio takes")
    known += [f"{f.path} is larger than 1 MB" for f in recipe.upload if len(f.content) > _LARGE_SOURCE]
    changed = ", ".join(file.path for file in recipe.upload)
    known.append(f"new in it: {changed}" if changed else "no function of ours is new in it")
    return DeployError(
        "the build failed",
        why=f"Twilio reports no reason; {', '.join(known)}. The live build stays live",
        fix="check that each dependency is published and needs no compiler, then run `ga-deploy validate` and `up`",
    )


def _endless(build: Build, limit: float) -> DeployError:
    return DeployError(
        f"the build did not end within {limit:.0f} s",
        why=f"Twilio still works on {build.sid}; above about 100 builds an hour it may hang. The live build stays live",
        fix="wait some minutes, then run `ga-deploy up`: it continues from what is there",
    )
