"""`status`: one snapshot that also has every number in the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.engine.apply.numbers import make_number_deployment
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.plan.diff import diff
from ga_deploy.engine.plan.drift import find_drift
from ga_deploy.engine.snapshot import Scope, open_reconciler, take_snapshot
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.engine.session import Session
    from ga_deploy.model.drift import Drift
    from ga_deploy.model.flows import Flow
    from ga_deploy.model.numbers import IncomingNumber
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import Plan


@dataclass(frozen=True)
class EnvironmentStatus:
    """The state of an environment. `pending` is None if the config cannot be applied (a number is refused, say)."""

    observed: Observed
    numbers: Mapping[str, IncomingNumber]
    recorded: Mapping[str, RememberedNumber]
    drift: tuple[Drift, ...]
    flow: Flow | None
    pending: Plan | None


def read_status(session: Session) -> EnvironmentStatus:
    """Return what is live, what drifted, and what `up` would change. Writes nothing."""
    desired = session.desired
    with open_pool() as pool:
        snapshot = take_snapshot(session, pool, Scope(numbers="known"))
    observed = snapshot.observed
    reconciler = open_reconciler(session, snapshot)
    decision, pending = None, None
    try:
        decision = reconciler.decide_for(observed) if reconciler else None
        target = snapshot.plan_number_target(desired, with_flow=reconciler is not None)
        numbers = make_number_deployment(session, snapshot).changes(target)
        pending = diff(desired, observed, numbers=numbers, flow=decision, region=session.region)
    except DeployError:
        # `plan` reports a number that may not be bound; `status` shows what is live all the same.
        pass
    drift = find_drift(desired, observed, snapshot.numbers, snapshot.recorded)
    if reconciler and decision:
        drift += reconciler.find_drift(observed, decision)
    return EnvironmentStatus(observed, snapshot.numbers, snapshot.recorded, drift, snapshot.flow, pending)
