"""What is live, for `status`: one look that also takes in every number that the record knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.engine.diff import diff
from ga_deploy.engine.drift import Drift, find_drift
from ga_deploy.engine.flows import FLOW_TO_COME, FlowKeeper
from ga_deploy.engine.number_records import ItemNumberRecord, RememberedNumber
from ga_deploy.engine.observe import observe
from ga_deploy.engine.our_flows import look_for_left_flows
from ga_deploy.engine.parallel import open_pool
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.engine.deployment import Target
    from ga_deploy.model import Flow, IncomingNumber, Observed, Plan


@dataclass(frozen=True)
class Standing:
    """The environment as it stands. `pending` is None where the config asks for what cannot be (its numbers, say)."""

    observed: Observed
    numbers: Mapping[str, IncomingNumber]
    recorded: Mapping[str, RememberedNumber]
    drift: tuple[Drift, ...]
    flow: Flow | None
    pending: Plan | None


def look_closely(target: Target) -> Standing:
    """Return what is live and what drifted. Writes nothing."""
    from ga_deploy.engine.binder import Binder

    records, desired = target.open_records(), target.desired
    keeper = FlowKeeper(target.platform, target.flow, target.report) if target.flow else None
    with open_pool() as pool:
        flow_read = pool.start(keeper.look) if keeper else None
        observed = observe(target.platform, pool, desired, records, report=target.report)
        recorded = ItemNumberRecord(records, target.report).recall()
        latest = observed.record.latest
        further = ({*recorded, *(latest.numbers if latest else ())}) - observed.numbers.keys()
        numbers = {**observed.numbers, **(target.platform.list_numbers(sorted(further)) if further else {})}
        if flow_read:
            flow_read.result()
        if keeper:
            keeper.recall(observed)
        flow = keeper.live if keeper else None
        observed = look_for_left_flows(target.platform, desired, observed, keeper)
    binder = Binder(target.platform, desired, numbers, recorded, records, target.report)
    domain = observed.environment.domain_name if observed.environment else None
    binder.flow_url = (flow.webhook_url if flow else FLOW_TO_COME) if keeper else None
    decision = None
    try:
        decision = keeper.decide_for(observed) if keeper else None
        pending = diff(desired, observed, numbers=binder.changes(domain), flow=decision, region=target.region)
    except DeployError:
        # A number of the config that may not be bound is `plan`'s to refuse; what is live can be told all the same.
        pending = None
    drift = find_drift(desired, observed, numbers, recorded)
    if keeper and decision:
        drift += keeper.find_drift(observed, decision)
    return Standing(observed, numbers, recorded, drift, flow, pending)
