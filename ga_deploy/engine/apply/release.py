"""What a deployment writes into the record: an intent before, a release afterwards. Sends nothing.

By the record a later run, on any machine, knows what is ours. So everything is recorded before it is created.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ga_deploy import __version__
from ga_deploy.engine.apply.builds import find_missing
from ga_deploy.engine.lock.holder import name_deployer
from ga_deploy.engine.plan.assets import our_live_assets, release_assets
from ga_deploy.engine.plan.ownership import DOMAIN_VARIABLE, Ownership
from ga_deploy.engine.record.releases import choose_salt, digest_variables, record_variable
from ga_deploy.model.plan import Action, Reason
from ga_deploy.model.release import Intent, Release, ReleasedFunction, ReleasedVariable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ga_deploy.model.desired import Desired
    from ga_deploy.model.flows import OurFlow
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import Plan
    from ga_deploy.model.release import ReleasedAsset
    from ga_deploy.model.serverless import ServiceEnvironment
    from ga_deploy.model.sids import BuildSid


@dataclass(frozen=True)
class LiveBuild:
    """What is live after a deployment: the build, our functions in it, and the dependencies sent with the build."""

    build_sid: BuildSid
    functions: Mapping[str, ReleasedFunction]
    sent_dependencies: Mapping[str, str]
    runtime: str | None
    assets: Mapping[str, ReleasedAsset] = field(default_factory=dict)


def read_live_now(desired: Desired, observed: Observed) -> LiveBuild:
    """Return what is live, from a snapshot that has a build."""
    build = observed.build
    if build is None:
        raise AssertionError("a plan without a build needs a live one")
    owner = Ownership(desired, observed)
    functions = {
        function.version.path: ReleasedFunction(
            version=function.version.sid,
            sha256=function.sha256 or "",
            visibility=function.version.visibility,
            kept=function.version.path not in desired.paths,
        )
        for function in observed.live
        if owner.is_our_function(function)
    }
    assets = release_assets(desired, our_live_assets(observed))
    return LiveBuild(build.sid, functions, dict(owner.sent_dependencies), build.runtime, assets)


def compose_intent(desired: Desired, observed: Observed, plan: Plan, when: datetime) -> Intent | None:
    """Return what a plan, or an earlier unfinished run, is about to create; None if that is nothing."""
    owner = Ownership(desired, observed)
    was_live = owner.live_dependencies
    variables = {change.name for change in plan.of("variable", Action.CREATE)}
    dependencies = {
        change.name
        for change in plan.of("dependency", Action.CREATE, Action.UPDATE)
        if change.action is Action.CREATE or owner.made_dependency(change.name, was_live.get(change.name, ""))
    }
    paths = set(desired.paths) if plan.recipe else set()
    if not (variables or dependencies or paths):
        return None
    earlier = observed.record.intent or Intent(0, desired.function_set)
    return Intent(
        release=observed.record.last_number + 1,
        function_set=desired.function_set,
        paths=tuple(sorted(paths | set(earlier.paths))),
        variables=tuple(sorted(variables | set(earlier.variables))),
        dependencies=tuple(sorted(dependencies | set(earlier.dependencies))),
        sent_dependencies=plan.recipe.dependencies if plan.recipe else {},
        containers=tuple(sorted(_missing_containers(observed, plan) | set(earlier.containers))),
        when=when.isoformat(timespec="seconds"),
    )


def compose_release(
    desired: Desired,
    observed: Observed,
    plan: Plan,
    live: LiveBuild,
    place: ServiceEnvironment,
    *,
    flow: OurFlow | None,
    when: datetime,
    command: str,
    domain_refused: bool = False,
) -> Release:
    """Return the release after a plan was carried out; `observed` is the state that the plan was made from.

    `flow` is the config's flow; flows that the config no longer names stay in the record as well. `domain_refused`:
    Twilio refused `DOMAIN_NAME` as a variable. Long because each field of a release is set here.
    """
    owner = Ownership(desired, observed)
    created = {change.address for change in plan.changes if change.action is Action.CREATE}
    was_live = owner.live_dependencies
    dependencies = {
        name: version
        for name, version in desired.dependencies.items()
        if f"dependency:{name}" in created or (name in was_live and owner.made_dependency(name, was_live[name]))
    }
    salt = choose_salt(observed.record.latest)
    variables = {
        name: record_variable(value, made=f"variable:{name}" in created or owner.made_variable(name), salt=salt)
        for name, value in desired.variables.items()
    }
    if not domain_refused:
        variables |= _domain_variable(plan, owner, place, salt)
    return Release(
        number=observed.record.last_number + 1,
        function_set=desired.function_set,
        service_sid=place.service_sid,
        environment_sid=place.environment_sid,
        build_sid=live.build_sid,
        fingerprint=desired.fingerprint,
        functions=live.functions,
        assets=live.assets,
        dependencies=dependencies,
        sent_dependencies=live.sent_dependencies,
        variables=variables,
        variables_digest=digest_variables(desired.variables, salt),
        runtime=live.runtime,
        numbers={binding.number: {"to": binding.to, "profile": binding.profile} for binding in desired.numbers},
        when=when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        who=name_deployer(),
        command=command,
        version=__version__,
        domain_name=place.domain_name,
        containers=tuple(sorted(owner.made_containers | _missing_containers(observed, plan))),
        salt=salt,
        flows={ours.flow.sid: ours.kind for ours in (*observed.left_flows, *([flow] if flow else ()))},
    )


def _missing_containers(observed: Observed, plan: Plan) -> frozenset[str]:
    return find_missing(observed, plan.recipe.upload) if plan.recipe else frozenset()


def _domain_variable(plan: Plan, owner: Ownership, place: ServiceEnvironment, salt: str) -> dict[str, ReleasedVariable]:
    change = plan.find(f"variable:{DOMAIN_VARIABLE}")
    if change is None or change.reason is Reason.PLATFORM:
        return {}
    made = change.action is Action.CREATE or owner.made_variable(DOMAIN_VARIABLE)
    return {DOMAIN_VARIABLE: record_variable(place.domain_name, made=made, salt=salt)}
