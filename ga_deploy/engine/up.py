"""One deployment: read, compare, confirm, lock, read again, apply.

Nothing is written, and no lock is taken, before there is something to write. Under the lock everything is read again,
since the first snapshot may be minutes old when the user has confirmed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ga_deploy.engine.apply.builds import find_missing
from ga_deploy.engine.apply.deployer import Deployer, DeployResult
from ga_deploy.engine.apply.numbers import make_number_deployment
from ga_deploy.engine.apply.release import compose_release, read_live_now
from ga_deploy.engine.lock.guard import Unleased
from ga_deploy.engine.numbers.plan import to_changes
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.plan.diff import diff, is_recorded
from ga_deploy.engine.plan.variable_limit import check_variable_size
from ga_deploy.engine.record.releases import write_release
from ga_deploy.engine.session import hold
from ga_deploy.engine.snapshot import Scope, open_reconciler, take_snapshot
from ga_deploy.errors import DeployError
from ga_deploy.events import StepDone, StepStarted
from ga_deploy.redact import redact_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ga_deploy.engine.apply.numbers import NumberDeployment
    from ga_deploy.engine.flow.flow import FlowReconciler
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.session import Session
    from ga_deploy.engine.snapshot import Snapshot
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import Plan


@dataclass(frozen=True)
class Deployed:
    """The result of a deployment; `outcome` is None if there was nothing to do."""

    plan: Plan
    observed: Observed
    outcome: DeployResult | None


def look(session: Session, *, with_sources: bool = False) -> tuple[Observed, Plan]:
    """Return the current state and the plan of `up`. Writes nothing."""
    with open_pool() as pool:
        compared = _compare(session, pool, Scope(sources=with_sources))
    return compared.observed, compared.plan


def deploy(session: Session, *, agree: Callable[[Plan], None], saved: Mapping[str, object] | None = None) -> Deployed:
    """Deploy. `agree` is called with every plan before it is carried out and raises to stop it.

    `saved` is a plan that was saved earlier: if the plan differs from it now, this raises `DeployError`.
    """
    with open_pool() as pool:
        session.report(StepStarted("look", f"Reading {session.desired.service_name}"))
        first = _compare(session, pool)
        session.report(StepDone("look", f"Read {session.desired.service_name}"))
        if saved is not None:
            refuse_stale(first.plan, saved)
        if first.plan.is_empty:
            _refresh_local_record(session, first)
            return Deployed(first.plan, first.observed, None)
    agree(first.plan)
    with hold(session, with_service=_makes_shared(first)) as held, open_pool() as pool:
        record = first.observed.record
        is_new = record.last_number == 0 and record.intent is None
        preparing = pool.start(session.records.prepare) if is_new else None
        second = _compare(session, pool, earlier=first.snapshot)
        if _makes_shared(second) and not held.has_service:
            held.take_service()
            second = _compare(session, pool, earlier=first.snapshot)
        if preparing:
            preparing.result()
        if saved is not None:
            refuse_stale(second.plan, saved)
        if second.plan.is_empty:
            return Deployed(second.plan, second.observed, None)
        if second.plan.to_json() != first.plan.to_json():
            agree(second.plan)
        plan = second.plan
        # Numbers that somebody changes during the build are confirmed as a plan of their own.
        number_deployment = replace(
            second.number_deployment, agree=lambda moved: agree(replace(plan, changes=to_changes(moved)))
        )
        deployer = Deployer(session, pool, second.snapshot, plan, number_deployment, second.reconciler)
        return Deployed(second.plan, second.observed, deployer.run())


def as_saved(payload: Mapping[str, object]) -> dict[str, object]:
    """Return a plan as it is saved: without secrets, such as a password in the earlier URL of a number."""
    saved: dict[str, object] = json.loads(json.dumps(redact_tree(payload)))
    return saved


def refuse_stale(plan: Plan, saved: Mapping[str, object]) -> None:
    """Raise `DeployError` unless `saved` equals `plan`. The error names what changed: the config or the account."""
    fresh = as_saved(plan.to_json())
    if saved.get("format_version") != fresh["format_version"]:
        raise DeployError(
            "the saved plan has another format version",
            why=f"it has version {saved.get('format_version')}, this ga-deploy reads {fresh['format_version']}",
            fix="save a new plan with `ga-deploy plan --out FILE`",
        )
    target = ("account_sid", "region", "service", "environment")
    if any(saved.get(key) != fresh[key] for key in target):
        raise DeployError(
            "the saved plan is for something else",
            why=", ".join(f"{key} {saved.get(key)}" for key in target if saved.get(key) != fresh[key]),
            fix="use the config and the environment that it was made for",
        )
    if saved.get("desired_digest") != fresh["desired_digest"]:
        raise DeployError(
            "the config has changed since the plan was saved",
            why="it renders other functions, variables or settings now",
            fix="save a new plan with `ga-deploy plan --out FILE`",
        )
    base = saved.get("base")
    if base != fresh["base"] or saved.get("changes") != fresh["changes"]:
        was = base if isinstance(base, dict) else {}
        now = plan.base
        moved = sorted(key.removesuffix("_sid") for key in now if was.get(key) != now[key])
        raise DeployError(
            "the account has changed since the plan was saved",
            why=f"changed: {', '.join(moved) or 'what the plan would change'}",
            fix="look at `ga-deploy plan` again and save a new one",
        )


@dataclass(frozen=True)
class _Compared:
    """One snapshot, the plan made from it, and what applies its numbers and its flow."""

    snapshot: Snapshot
    plan: Plan
    number_deployment: NumberDeployment
    reconciler: FlowReconciler | None

    @property
    def observed(self) -> Observed:
        return self.snapshot.observed


def _compare(session: Session, pool: Pool, scope: Scope | None = None, *, earlier: Snapshot | None = None) -> _Compared:
    desired = session.desired
    snapshot = take_snapshot(session, pool, scope, earlier=earlier)
    observed = snapshot.observed
    reconciler = open_reconciler(session, snapshot)
    number_deployment = make_number_deployment(session, snapshot)
    check_variable_size(desired, observed, with_flow=reconciler is not None)
    decision = reconciler.decide_for(observed) if reconciler else None
    target = snapshot.plan_number_target(desired, with_flow=reconciler is not None)
    plan = diff(desired, observed, numbers=number_deployment.changes(target), flow=decision, region=session.region)
    return _Compared(snapshot, plan, number_deployment, reconciler)


def _makes_shared(seen: _Compared) -> bool:
    """Whether the plan creates the environment, or something that all environments of the service share."""
    observed, recipe = seen.observed, seen.plan.recipe
    if observed.place is None:
        return True
    return bool(recipe and (recipe.upload_assets or find_missing(observed, recipe.upload)))


def _refresh_local_record(session: Session, seen: _Compared) -> None:
    """Bring a local record up to date with what is live."""
    desired, observed = session.desired, seen.observed
    if session.records.where == "sync" or is_recorded(desired, observed) or observed.place is None:
        return
    release = compose_release(
        desired,
        observed,
        seen.plan,
        read_live_now(desired, observed),
        observed.place,
        flow=seen.reconciler.claim(seen.snapshot.flow) if seen.reconciler else None,
        when=datetime.now(UTC),
        command=session.command,
    )
    with session.guard.without_lease(Unleased.LOCAL_RECORD):
        write_release(session.records, release)
