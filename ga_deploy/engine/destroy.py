"""`destroy`: give numbers back first, then remove what is ours. `plan.removal` decides what that is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.apply.builds import make_build
from ga_deploy.engine.flow.abandoned import remove_flow
from ga_deploy.engine.numbers.apply import restore_numbers
from ga_deploy.engine.numbers.replan import restore_anew
from ga_deploy.engine.numbers.settings import reaches
from ga_deploy.engine.numbers.writer import NumberOutcome, NumberResult
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.plan.removal import Removal, RemovalInput, plan_removal
from ga_deploy.engine.record.releases import list_releases
from ga_deploy.engine.snapshot import Scope, open_reconciler, take_snapshot
from ga_deploy.errors import ApiProblem, DeployError, NotFound
from ga_deploy.events import StepDone, StepStarted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.engine.numbers.plan import NumberPlan
    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.session import Session
    from ga_deploy.engine.snapshot import Snapshot
    from ga_deploy.model.flows import OurFlow
    from ga_deploy.model.serverless import ServiceEnvironment


def preview_removal(session: Session) -> Removal:
    """Return what a removal would do. Writes nothing."""
    with open_pool() as pool:
        return _look(session, pool)


def remove(session: Session) -> Removal:
    """Remove what is ours, under the environment's lock. A new snapshot is taken first, for changes of others."""
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
        # If another ga-deploy environment took over a number, that one records its original: this one forgets it.
        taken = [b.number for b in removal.left_numbers if _reaches_another(b, removal.others)]
        session.numbers.forget(taken)
        if removal.clears_record and len(taken) == len(removal.left_numbers):
            session.records.clear()
    return removal


def _reaches_another(planned: NumberPlan, others: Mapping[str, Sequence[RememberedNumber]]) -> bool:
    now = planned.before
    return now is not None and any(reaches(now, None, entry) for entry in others.get(planned.number, ()))


def refuse_stranded(removal: Removal) -> None:
    """Raise `DeployError` if numbers would point at nothing afterwards."""
    if removal.stranded:
        raise DeployError(
            "some numbers point at what would be removed, and their earlier settings are not recorded",
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
        reasons = "\n".join(f"{result.number}: {result.problem.what if result.problem else ''}" for result in failed)
        raise DeployError(
            f"{len(failed)} numbers could not be given back, so nothing was removed",
            why=reasons,
            fix="fix these reasons, then run `ga-deploy destroy` again",
        )


def _find_flows(session: Session, snapshot: Snapshot) -> tuple[OurFlow, ...]:
    """Return the flows with something of ours: the config's flow, and those of earlier configs."""
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
        report(StepDone("deployment", "Activated a build without our functions", built.sid))
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
    """Delete our resources in a service that stays. Twilio keeps what a build still holds."""
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
