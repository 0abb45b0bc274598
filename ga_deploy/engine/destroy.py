"""`destroy`: numbers back first, then only what is ours. Deciding (`plan_removal`) is pure.

An environment that holds nothing of others, in a service that ga-deploy created, goes altogether, and the service with
its last environment. Anywhere else our functions leave by a new build without them and our variables are deleted;
whatever is not ours stays as it is. Long, because deciding and doing are read side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.apply.builds import make_build
from ga_deploy.engine.flow.abandoned import remove_flow
from ga_deploy.engine.numbers.apply import restore_numbers
from ga_deploy.engine.numbers.plan import NumberPlan, Verdict, plan_restorations
from ga_deploy.engine.numbers.replan import restore_anew
from ga_deploy.engine.numbers.settings import NumberTarget, reaches
from ga_deploy.engine.numbers.writer import NumberOutcome, NumberResult
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.plan.assets import our_live_assets
from ga_deploy.engine.plan.diff import compose_build
from ga_deploy.engine.plan.ownership import DOMAIN_VARIABLE, MADE_BY, SWITCHES, Ownership
from ga_deploy.engine.record.releases import list_releases
from ga_deploy.engine.snapshot import Scope, open_reconciler, take_snapshot
from ga_deploy.errors import ApiProblem, DeployError, NotFound
from ga_deploy.events import StepDone, StepStarted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.session import Session
    from ga_deploy.engine.snapshot import Snapshot
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.flows import OurFlow
    from ga_deploy.model.numbers import IncomingNumber
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import BuildRecipe
    from ga_deploy.model.release import Release
    from ga_deploy.model.serverless import FunctionResource, ServiceEnvironment, Variable
    from ga_deploy.model.sids import BuildSid, FunctionSid


@dataclass(frozen=True)
class RemovalInput:
    """What else has to be known for a removal: all numbers, the record of them, our flows, every release."""

    numbers: Mapping[str, IncomingNumber]
    recorded: Mapping[str, RememberedNumber]
    flows: tuple[OurFlow, ...]
    releases: tuple[Release, ...]
    others: Mapping[str, Sequence[RememberedNumber]] = field(default_factory=dict)


@dataclass(frozen=True)
class Removal:
    """What `destroy` does. `recipe` is the build without ours; `stays` says in words what is kept, and why.

    `stranded` are numbers that reach us and whose earlier settings nobody knows: they forbid the removal.
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


def preview_removal(session: Session) -> Removal:
    """Return what a removal would do. Writes nothing."""
    with open_pool() as pool:
        return _look(session, pool)


def plan_removal(desired: Desired, observed: Observed, inputs: RemovalInput) -> Removal:
    """Decide what goes and what stays."""
    owner = Ownership(desired, observed)
    environment = observed.environment
    ours = [function for function in observed.live if owner.is_our_function(function)]
    others = [function for function in observed.live if not owner.is_our_function(function)]
    variables = tuple(variable for variable in observed.variables if _is_our_variable(variable, owner))
    foreign_variables = [variable for variable in observed.variables if variable not in variables]
    held_elsewhere = {function.version.function_sid for function in others}
    containers = _our_containers(desired, inputs, owner)
    resources = tuple(
        resource
        for resource in observed.resources
        if resource.sid not in held_elsewhere and resource.friendly_name in containers
    )
    made_by_us = _made_by_us(observed)
    assets = [v for v in (observed.build.asset_versions if observed.build else ()) if v.sid not in observed.our_assets]
    our_assets = our_live_assets(observed)
    documents = _our_documents(desired, observed, inputs, {asset.asset_sid for asset in assets})
    stays = [f"function {function.version.path}" for function in others]
    stays += [f"asset {asset.path}" for asset in assets]
    stays += [f"variable {variable.key}" for variable in foreign_variables]
    deletes_environment = environment is not None and made_by_us and not stays
    foreign_resources = [r.friendly_name for r in observed.resources if r not in resources]
    foreign_resources += [asset.friendly_name for asset in observed.assets if asset not in documents]
    other_environments = [
        e.unique_name for e in observed.environments if environment is None or e.sid != environment.sid
    ]
    deletes_service = made_by_us and not stays and not foreign_resources and not other_environments
    if observed.service and not deletes_service:
        stays.append(f"service {observed.service.unique_name}")
    if environment and not deletes_environment:
        stays.append(f"environment {environment.unique_name}")
    shows_foreign = bool(others) or bool(assets)
    flow_url = inputs.flows[0].flow.webhook_url if inputs.flows else None
    number_target = NumberTarget(environment.domain_name, desired.engage_path, flow_url) if environment else None
    restorations, left = _decide_numbers(inputs, number_target)
    builds = {r.build_sid for r in inputs.releases if r.function_set == desired.function_set}
    shows_ours = bool(ours) or bool(our_assets)
    recipe = (
        _compose_without_us(desired, observed) if shows_ours and shows_foreign and not deletes_environment else None
    )
    goes_offline = shows_ours and not shows_foreign and not deletes_environment
    if observed.build_sid and (goes_offline or deletes_environment):
        builds.add(observed.build_sid)
    elif observed.build_sid and recipe is None:
        builds.discard(observed.build_sid)
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
        old_builds=tuple(sorted(sid for sid in builds if sid is not None)),
        recipe=recipe,
        goes_offline=goes_offline,
        deletes_environment=deletes_environment,
        deletes_service=deletes_service,
        clears_record=bool(inputs.releases or observed.record.intent)
        and all(release.function_set == desired.function_set for release in inputs.releases),
        flows=inputs.flows,
        stays=tuple(stays),
        number_target=number_target,
        others=inputs.others,
    )


def remove(session: Session) -> Removal:
    """Remove what is ours; the environment's lock is held. Looks again first, so what others did meanwhile counts."""
    platform, report = session.platform, session.report
    with open_pool() as pool:
        removal = _look(session, pool)
        refuse_stranded(removal)
        _give_back_numbers(session, removal)
        for ours in removal.flows:
            remove_flow(platform, ours, report)
        service, place = removal.observed.service, removal.observed.place
        if place and not removal.deletes_environment:
            _redeploy(session, removal, place)
            _delete_variables(session, pool, removal, place)
        elif place and not removal.deletes_service:
            report(StepStarted("environment", f"Deleting environment {place.environment.unique_name}"))
            platform.delete_environment(place.service_sid, place.environment_sid)
            report(StepDone("environment", f"Deleted environment {place.environment.unique_name}"))
        if service and removal.deletes_service:
            report(StepStarted("service", f"Deleting service {service.unique_name}"))
            platform.delete_service(service.sid)
            report(StepDone("service", f"Deleted service {service.unique_name}"))
        elif service:
            _delete_spares(session, pool, removal)
        # What another environment of ours has taken over keeps its original there: this one lets go.
        taken = [b.number for b in removal.left_numbers if _reaches_another(b, removal.others)]
        session.numbers.forget(taken)
        if removal.clears_record and len(taken) == len(removal.left_numbers):
            session.records.clear()
    return removal


def _reaches_another(planned: NumberPlan, others: Mapping[str, Sequence[RememberedNumber]]) -> bool:
    now = planned.before
    return now is not None and any(reaches(now, None, entry) for entry in others.get(planned.number, ()))


def refuse_stranded(removal: Removal) -> None:
    """Raise `DeployError` if numbers would be left pointing at nothing."""
    if removal.stranded:
        raise DeployError(
            "some numbers reach what would be removed, and nobody knows what they had before",
            why=", ".join(removal.stranded),
            fix="point them somewhere else in the Twilio Console, then run `ga-deploy destroy` again",
        )


def _look(session: Session, pool: Pool) -> Removal:
    snapshot = take_snapshot(session, pool, Scope(numbers="all", inventory=True))
    inputs = RemovalInput(
        flows=_find_flows(session, snapshot),
        numbers=snapshot.numbers,
        recorded=snapshot.recorded,
        others=snapshot.others,
        releases=tuple(list_releases(session.records, None, session.report)),
    )
    return plan_removal(session.desired, snapshot.observed, inputs)


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
    """Return the paths whose function resource is ours: in a service of ours all that we ever used."""
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
    """Return the asset resources that only ever held documents of ours."""
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
    # A flow of others, out of which only our widgets go, answers on.
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


def _give_back_numbers(session: Session, removal: Removal) -> None:
    if not removal.restorations:
        return
    recorded = session.numbers.recall()
    results: tuple[NumberResult, ...] = restore_numbers(
        session.platform,
        removal.restorations,
        session.numbers,
        redecide=partial(restore_anew, target=removal.number_target, recorded=recorded),
        report=session.report,
    )
    failed = [result for result in results if result.outcome in {NumberOutcome.FAILED, NumberOutcome.NOT_TRIED}]
    if failed:
        told = "\n".join(f"{result.number}: {result.problem.what if result.problem else ''}" for result in failed)
        raise DeployError(
            f"{len(failed)} numbers could not be given back, so nothing was removed",
            why=told,
            fix="mend what is said there, then run `ga-deploy destroy` again",
        )


def _find_flows(session: Session, snapshot: Snapshot) -> tuple[OurFlow, ...]:
    """Return the flows that hold something of ours: the config's, and those that earlier configs left."""
    reconciler = open_reconciler(session, snapshot)
    named = reconciler.claim(snapshot.flow) if reconciler else None
    if reconciler and named and named.is_attached:
        try:
            reconciler.detached()
        except DeployError:
            # None of our widgets are in it.
            named = None
    return (*([named] if named else ()), *snapshot.observed.left_flows)


def _redeploy(session: Session, removal: Removal, place: ServiceEnvironment) -> None:
    if not (removal.recipe or removal.goes_offline):
        return
    platform, report = session.platform, session.report
    built = None
    if removal.recipe:
        built, _ = make_build(platform, place.service_sid, removal.recipe, {}, report, session.timing)
    live = platform.get_environment(place.service_sid, place.environment_sid).build_sid
    if live != removal.observed.build_sid:
        raise DeployError(
            "somebody else deployed to this environment meanwhile",
            why=f"their build {live} is live; it stays",
            fix="run `ga-deploy destroy` again: it starts from what is live then",
        )
    if built:
        platform.create_deployment(place.service_sid, place.environment_sid, built.sid)
        report(StepDone("deployment", "What others made is live without us", built.sid))
    else:
        platform.take_offline(place.service_sid, place.environment_sid)
        report(StepDone("deployment", f"Took {place.domain_name} offline"))


def _delete_variables(session: Session, pool: Pool, removal: Removal, place: ServiceEnvironment) -> None:
    if not removal.variables:
        return
    delete = partial(session.platform.delete_variable, place.service_sid, place.environment_sid)
    pool.gather(partial(_unless_gone, partial(delete, variable.sid)) for variable in removal.variables)
    session.report(StepDone("variables", f"Removed {len(removal.variables)} variables"))


def _delete_spares(session: Session, pool: Pool, removal: Removal) -> None:
    """Delete what is left of ours in a service that stays. What a build still holds, stays."""
    if removal.observed.service is None:
        return
    service = removal.observed.service.sid
    delete_build = partial(session.platform.delete_build, service)
    pool.gather(partial(_if_allowed, partial(delete_build, build)) for build in removal.old_builds)
    gone = pool.gather(
        partial(_if_allowed, partial(session.platform.delete_function, service, resource.sid))
        for resource in removal.resources
    )
    pool.gather(
        partial(_if_allowed, partial(session.platform.delete_asset, service, document.sid))
        for document in removal.documents
    )
    if removal.resources:
        session.report(StepDone("functions", f"Removed {sum(gone)} of {len(removal.resources)} functions"))


def _unless_gone(delete: partial[None]) -> None:
    try:
        delete()
    except NotFound:
        return


def _if_allowed(delete: partial[None]) -> bool:
    try:
        delete()
    except NotFound:
        return True
    except ApiProblem as problem:
        # Twilio: a build of an active deployment, and a function that any build holds, cannot be deleted.
        if problem.status not in {400, 409}:
            raise
        return False
    return True
