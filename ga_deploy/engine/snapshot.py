"""The snapshot of an environment. Every command takes it here, before it decides and again under the lock.

    1  service ∥ record ∥ numbers ∥ flow      2  environments      3  live build ∥ variables ∥ what a `Scope` adds
    4  sources, function names, numbers and flows that only the record knows

Numbers bound without access to Sync are recorded on this machine only: `recorded` has both, those of Sync first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from ga_deploy.engine.flow.abandoned import look_for_left_flows
from ga_deploy.engine.flow.flow import FLOW_TO_COME, FlowReconciler, find_flow, recall_flow
from ga_deploy.engine.numbers.settings import NumberTarget
from ga_deploy.engine.plan.observe import observe
from ga_deploy.engine.record.releases import read_record
from ga_deploy.model.release import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from ga_deploy.engine.numbers.record import RememberedNumber
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.session import Session
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.flows import Flow
    from ga_deploy.model.numbers import IncomingNumber
    from ga_deploy.model.observed import Observed

# The placeholder in a plan for a domain that Twilio has not assigned yet.
DOMAIN_TO_COME = "<new domain>"


@dataclass(frozen=True)
class Scope:
    """What a snapshot reads; by default what a deployment compares.

    `numbers`: those of the config (`wanted`), these and all in the record (`known`), all of the account (`all`), or a
    tuple of numbers. `contents`: the live build, variables and releases, not only the environment itself.
    `inventory`: also every function and asset of the service. `sources`: also the code of our functions.
    """

    numbers: Literal["wanted", "known", "all"] | tuple[str, ...] = "wanted"
    contents: bool = True
    inventory: bool = False
    sources: bool = False


@dataclass(frozen=True)
class Snapshot:
    """One environment at one moment, the config's flow, the numbers and their recorded settings.

    `recorded` is empty if no number was read.
    """

    observed: Observed
    flow: Flow | None = None
    numbers: Mapping[str, IncomingNumber] = field(default_factory=dict)
    recorded: Mapping[str, RememberedNumber] = field(default_factory=dict)
    # The entries of other ga-deploy environments, by number.
    others: Mapping[str, Sequence[RememberedNumber]] = field(default_factory=dict)

    def find_number_target(self, engage_path: str) -> NumberTarget | None:
        """Return where numbers may point now; None if there is no environment."""
        environment = self.observed.environment
        if environment is None:
            return None
        return NumberTarget(environment.domain_name, engage_path, self.flow.webhook_url if self.flow else None)

    def plan_number_target(self, desired: Desired, *, with_flow: bool) -> NumberTarget:
        """Return where numbers will point after a deployment, with placeholders for what does not exist yet."""
        environment = self.observed.environment
        domain = environment.domain_name if environment else DOMAIN_TO_COME
        flow_url = (self.flow.webhook_url if self.flow else FLOW_TO_COME) if with_flow else None
        fallback = next((file.path for file in desired.assets), None)
        return NumberTarget(domain, desired.engage_path, flow_url, fallback)


def take_snapshot(
    session: Session, pool: Pool, scope: Scope | None = None, *, earlier: Snapshot | None = None
) -> Snapshot:
    """Return the current state. Writes nothing. `earlier` saves reading the same sources again.

    Raises `DeployError` if another environment has the config's domain suffix or the flow to attach to does not exist,
    and what the platform raises.
    """
    scope = scope or Scope()
    platform, desired, config = session.platform, session.desired, session.flow
    flow_read = pool.start(lambda: find_flow(platform, config)) if config else None
    others_read = pool.start(session.numbers.recall_others) if _needs_numbers(session, scope) else None
    recalling = pool.start(lambda: _remember(session, scope, others_read))
    numbers_read = _start_numbers(session, pool, scope)
    observed = observe(
        platform,
        desired,
        pool,
        announce=session.records.announce,
        record_read=lambda: recalling.result()[0],
        contents=scope.contents,
        variables=scope.contents or config is not None,
        inventory=scope.inventory,
        sources=scope.sources,
        earlier=earlier.observed if earlier else None,
    )
    recorded = recalling.result()[1]
    numbers = numbers_read.result() if numbers_read else {}
    if scope.numbers == "known":
        latest = observed.record.latest
        further = ({*recorded, *(latest.numbers if latest else ())}) - numbers.keys()
        numbers = {**numbers, **(platform.list_numbers(sorted(further)) if further else {})}
    flow = flow_read.result() if flow_read else None
    if config and flow is None:
        flow = recall_flow(platform, config, observed.variables)
    wanted = {binding.number for binding in desired.numbers}
    observed = replace(observed, numbers={number: found for number, found in numbers.items() if number in wanted})
    if scope.contents:
        observed = look_for_left_flows(platform, desired, observed, {flow.sid} if flow else set())
    return Snapshot(observed, flow, numbers, recorded, others_read.result() if others_read else {})


def open_reconciler(session: Session, snapshot: Snapshot) -> FlowReconciler | None:
    """Return the reconciler of the config's flow, starting from the snapshot; None if the config has no flow."""
    return FlowReconciler(session.platform, session.flow, snapshot.flow, session.report) if session.flow else None


def _needs_numbers(session: Session, scope: Scope) -> bool:
    return bool(session.desired.numbers if scope.numbers == "wanted" else scope.numbers)


def _remember(
    session: Session, scope: Scope, others_read: Future[dict[str, tuple[RememberedNumber, ...]]] | None
) -> tuple[Record, Mapping[str, RememberedNumber]]:
    """Return the record and the recorded numbers. Each place is read once."""
    records, desired = session.records, session.desired
    record = read_record(records, desired.function_set, session.report) if scope.contents else Record(records.where)
    if others_read is None:
        return record, {}
    others_read.result()
    return record, session.numbers.recall()


def _start_numbers(session: Session, pool: Pool, scope: Scope) -> Future[dict[str, IncomingNumber]] | None:
    """Start reading the numbers that are known before the record was read."""
    platform = session.platform
    if scope.numbers == "all":
        return pool.start(lambda: platform.list_numbers(None))
    wanted = [binding.number for binding in session.desired.numbers]
    named = wanted if isinstance(scope.numbers, str) else list(scope.numbers)
    return pool.start(lambda: platform.list_numbers(named)) if named else None
