"""What `destroy` removes and what stays: decided from one snapshot. Pure.

An environment without anything of others, in a service that ga-deploy created, is deleted, and the service with its
last environment. In all other cases a new build leaves out our functions, and our variables are deleted; everything
of others stays as it is. Long because each kind of resource has its few rules, and a removal is all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.plan import NumberPlan, Verdict, plan_restorations
from ga_deploy.engine.numbers.settings import NumberTarget
from ga_deploy.engine.plan.assets import our_live_assets
from ga_deploy.engine.plan.diff import compose_build
from ga_deploy.engine.plan.ownership import DOMAIN_VARIABLE, MADE_BY, SWITCHES, Ownership

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.flows import OurFlow
    from ga_deploy.model.numbers import IncomingNumber
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import BuildRecipe
    from ga_deploy.model.release import Release
    from ga_deploy.model.serverless import FunctionResource, Variable
    from ga_deploy.model.sids import BuildSid, FunctionSid


@dataclass(frozen=True)
class RemovalInput:
    """What a removal needs besides the state: all numbers, their record, our flows, and every release."""

    numbers: Mapping[str, IncomingNumber]
    recorded: Mapping[str, RememberedNumber]
    flows: tuple[OurFlow, ...]
    releases: tuple[Release, ...]
    others: Mapping[str, Sequence[RememberedNumber]] = field(default_factory=dict)


@dataclass(frozen=True)
class Removal:
    """What `destroy` does. `recipe` is the build without our functions; `stays` lists in words what is kept.

    `stranded` are numbers that point at us and have no recorded settings: with them, nothing may be removed.
    """

    observed: Observed
    restorations: tuple[NumberPlan, ...]
    left_numbers: tuple[NumberPlan, ...]
    stranded: tuple[str, ...]
    functions: tuple[str, ...]
    variables: tuple[Variable, ...]
    resources: tuple[FunctionResource, ...]
    assets: tuple[str, ...]
    documents: tuple[FunctionResource, ...]
    old_builds: tuple[BuildSid, ...]
    recipe: BuildRecipe | None
    goes_offline: bool
    deletes_environment: bool
    deletes_service: bool
    clears_record: bool
    flows: tuple[OurFlow, ...]
    stays: tuple[str, ...]
    number_target: NumberTarget | None = None
    others: Mapping[str, Sequence[RememberedNumber]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of ours is there."""
        return not (
            self.restorations
            or self.functions
            or self.variables
            or self.resources
            or self.assets
            or self.documents
            or self.deletes_environment
            or self.flows
            or self.clears_record
        )

    def to_json(self) -> dict[str, object]:
        """Return it as `destroy --json` shows it."""
        return {
            "numbers": [planned.number for planned in self.restorations],
            "numbers_left": [planned.number for planned in self.left_numbers],
            "functions": list(self.functions),
            "assets": list(self.assets),
            "variables": [variable.key for variable in self.variables],
            "flow": self.flows[0].flow.sid if self.flows else None,
            "flows": [ours.flow.sid for ours in self.flows],
            "environment_deleted": self.deletes_environment,
            "service_deleted": self.deletes_service,
            "stays": list(self.stays),
        }


@dataclass(frozen=True)
class _Builds:
    """What happens to builds: `old` are deleted, and `recipe` is the build of what others have, if one is needed."""

    old: tuple[BuildSid, ...]
    recipe: BuildRecipe | None
    goes_offline: bool


def _is_shared(observed: Observed, ours: Collection[FunctionResource]) -> bool:
    """Whether the service holds something besides `ours` and our environment."""
    environment = observed.environment
    return any(resource not in ours for resource in (*observed.resources, *observed.assets)) or any(
        other.sid != (environment.sid if environment else None) for other in observed.environments
    )


def _decide_builds(
    desired: Desired, observed: Observed, inputs: RemovalInput, *, ours: bool, foreign: bool, deletes_environment: bool
) -> _Builds:
    """Decide about builds. `ours`, `foreign`: whether the live build has functions or assets of ours, of others."""
    old = {r.build_sid for r in inputs.releases if r.function_set == desired.function_set}
    recipe = _compose_without_us(desired, observed) if ours and foreign and not deletes_environment else None
    goes_offline = ours and not foreign and not deletes_environment
    if observed.build_sid and (goes_offline or deletes_environment):
        old.add(observed.build_sid)
    elif observed.build_sid and recipe is None:
        old.discard(observed.build_sid)
    return _Builds(tuple(sorted(sid for sid in old if sid is not None)), recipe, goes_offline)


def plan_removal(desired: Desired, observed: Observed, inputs: RemovalInput) -> Removal:
    """Decide what is removed and what stays. Pure. Long because each kind of resource has its own rule."""
    owner = Ownership(desired, observed)
    environment = observed.environment
    ours = [function for function in observed.live if owner.is_our_function(function)]
    others = [function for function in observed.live if not owner.is_our_function(function)]
    variables = tuple(variable for variable in observed.variables if _is_our_variable(variable, owner))
    held_elsewhere = {function.version.function_sid for function in others}
    containers = _our_containers(desired, inputs, owner)
    resources = tuple(r for r in observed.resources if r.sid not in held_elsewhere and r.friendly_name in containers)
    made_by_us = _made_by_us(observed)
    assets = [v for v in (observed.build.asset_versions if observed.build else ()) if v.sid not in observed.our_assets]
    our_assets = our_live_assets(observed)
    documents = _our_documents(desired, observed, inputs, {asset.asset_sid for asset in assets})
    stays = [
        *(f"function {function.version.path}" for function in others),
        *(f"asset {asset.path}" for asset in assets),
        *(f"variable {variable.key}" for variable in observed.variables if variable not in variables),
    ]
    deletes_environment = environment is not None and made_by_us and not stays
    deletes_service = made_by_us and not stays and not _is_shared(observed, (*resources, *documents))
    if observed.service and not deletes_service:
        stays.append(f"service {observed.service.unique_name}")
    if environment and not deletes_environment:
        stays.append(f"environment {environment.unique_name}")
    flow_url = inputs.flows[0].flow.webhook_url if inputs.flows else None
    number_target = NumberTarget(environment.domain_name, desired.engage_path, flow_url) if environment else None
    restorations, left = _decide_numbers(inputs, number_target)
    builds = _decide_builds(
        desired,
        observed,
        inputs,
        ours=bool(ours) or bool(our_assets),
        foreign=bool(others) or bool(assets),
        deletes_environment=deletes_environment,
    )
    return Removal(
        observed=observed,
        restorations=restorations,
        left_numbers=left,
        stranded=_find_stranded(inputs, number_target),
        functions=tuple(sorted(function.version.path for function in ours)),
        variables=variables,
        resources=resources,
        assets=tuple(sorted(our_assets)),
        documents=documents,
        old_builds=builds.old,
        recipe=builds.recipe,
        goes_offline=builds.goes_offline,
        deletes_environment=deletes_environment,
        deletes_service=deletes_service,
        clears_record=bool(inputs.releases or observed.record.intent)
        and all(release.function_set == desired.function_set for release in inputs.releases),
        flows=inputs.flows,
        stays=tuple(stays),
        number_target=number_target,
        others=inputs.others,
    )


def _is_our_variable(variable: Variable, owner: Ownership) -> bool:
    latest = owner.observed.record.latest
    if owner.made_variable(variable.key) or (variable.key in SWITCHES and (latest or owner.has_ours_live)):
        return True
    if latest:
        return False
    return owner.may_set_variable(variable.key) and (
        variable.key in owner.desired.variables or variable.key == DOMAIN_VARIABLE
    )


def _made_by_us(observed: Observed) -> bool:
    return observed.service is not None and observed.service.friendly_name.endswith(MADE_BY)


def _our_containers(desired: Desired, inputs: RemovalInput, owner: Ownership) -> set[str]:
    """Return the paths whose function resource is ours. In a service of ours these are all that we ever used."""
    containers = set(owner.made_containers)
    for release in inputs.releases:
        if release.function_set == desired.function_set:
            containers |= set(release.containers)
            if _made_by_us(owner.observed):
                containers |= set(release.functions)
    if _made_by_us(owner.observed):
        containers |= desired.paths
        containers |= {f.version.path for f in owner.observed.live if owner.is_our_function(f)}
    return containers


def _our_documents(
    desired: Desired, observed: Observed, inputs: RemovalInput, foreign: set[FunctionSid]
) -> tuple[FunctionResource, ...]:
    """Return the asset resources that held only our documents."""
    named = {*our_live_assets(observed), *(file.path for file in desired.assets)} if _made_by_us(observed) else set()
    for release in inputs.releases:
        named |= set(release.assets) if release.function_set == desired.function_set else set()
    return tuple(one for one in observed.assets if one.friendly_name in named and one.sid not in foreign)


def _decide_numbers(
    inputs: RemovalInput, target: NumberTarget | None
) -> tuple[tuple[NumberPlan, ...], tuple[NumberPlan, ...]]:
    decided = plan_restorations(sorted(inputs.recorded), inputs.numbers, target, inputs.recorded)
    return (
        tuple(planned for planned in decided if planned.verdict is not Verdict.REFUSED),
        tuple(planned for planned in decided if planned.verdict is Verdict.REFUSED),
    )


def _find_stranded(inputs: RemovalInput, target: NumberTarget | None) -> tuple[str, ...]:
    if target is None:
        return ()
    # A flow of others loses only our widgets and continues to answer.
    deleted = [ours.flow.webhook_url for ours in inputs.flows if not ours.is_attached]
    gone = [replace(target, flow_url=None), *(replace(target, flow_url=url) for url in deleted)]
    return tuple(
        number
        for number, found in sorted(inputs.numbers.items())
        if number not in inputs.recorded
        and not found.settings.trunk_sid
        and not found.settings.voice_application_sid
        and any(one.reaches_us(found.settings.voice_url) for one in gone)
    )


def _compose_without_us(desired: Desired, observed: Observed) -> BuildRecipe:
    """Return the live build without our functions and without the dependencies that only we brought in."""
    recipe = compose_build(replace(desired, functions=(), dependencies={}, assets=()), observed)
    foreign = tuple(sid for sid in recipe.assets if sid not in observed.our_assets)
    return replace(recipe, upload=(), reuse={}, kept={}, assets=foreign, upload_assets=())
