"""The flow by itself, without a deployment around it: what the `flow` commands do.

The functions must be live already, since the flow calls them by their SIDs and their domain. Writing is done under the
environment's lock, on a look that was taken under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.engine.flows import FLOW_VARIABLE, FlowKeeper
from ga_deploy.engine.locking import hold
from ga_deploy.engine.observe import observe
from ga_deploy.engine.parallel import open_pool
from ga_deploy.errors import ConfigInvalid, DeployError, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from ga_deploy.config.schema import Config
    from ga_deploy.engine.deployment import Target
    from ga_deploy.engine.flows import FlowDecision
    from ga_deploy.engine.records import Records
    from ga_deploy.model import Flow, Observed
    from ga_deploy.studio import FlowDiff


@dataclass(frozen=True)
class FlowLook:
    """The flow as it is (`live`, None: there is none), and what would be done to it."""

    keeper: FlowKeeper
    decision: FlowDecision
    observed: Observed

    @property
    def live(self) -> Flow | None:
        """The flow at its newest revision."""
        return self.keeper.live


def look_at_flow(target: Target, config: Config) -> FlowLook:
    """Return the flow and what `push` would do. Writes nothing."""
    return _look(target, config, target.open_records())


def push_flow(target: Target, config: Config, agree: Callable[[FlowLook], None]) -> FlowLook:
    """Publish the flow (or attach to it) if it differs; `agree` is called before anything is written.

    Raises DeployError when the functions are not live, or somebody changed the flow meanwhile.
    """
    require_enabled(config)
    records = target.open_records()
    first = _look(target, config, records)
    _require_live(first.observed, config)
    if not first.decision.change.is_write:
        return first
    agree(first)
    with hold(target, records) as lease:
        fresh = _look(target, config, records)
        _require_same(first, fresh)
        lease.check()
        service, environment = fresh.observed.service, fresh.observed.environment
        if service is None or environment is None:
            raise AssertionError("the functions are live")
        flow = fresh.keeper.push(fresh.keeper.find_target(fresh.observed))
        known = next((one for one in fresh.observed.variables if one.key == FLOW_VARIABLE), None)
        if known is None:
            target.platform.create_variable(service.sid, environment.sid, FLOW_VARIABLE, flow.sid)
        elif known.value != flow.sid:
            target.platform.update_variable(service.sid, environment.sid, known.sid, flow.sid)
    return fresh


def detach_flow(target: Target, config: Config, agree: Callable[[Flow, FlowDiff], None]) -> tuple[Flow, FlowDiff]:
    """Take our widgets out of the flow that they are attached to; its exits lead where they did before."""
    require_attached(config)
    keeper = FlowKeeper(target.platform, config, target.report)
    live = keeper.look()
    _, diff = keeper.detached()
    if live is None:
        raise AssertionError("the keeper found the flow to attach to")
    agree(live, diff)
    with hold(target) as lease:
        lease.check()
        return keeper.save_detached(), diff


def require_enabled(config: Config) -> None:
    """Raise ConfigInvalid unless the config has a flow."""
    if not config.flow.enabled:
        raise ConfigInvalid(
            (
                Finding(
                    "the config has no flow",
                    why="`flow.enabled` is not true",
                    fix="set `flow.enabled: true`, then run `ga-deploy up`",
                    at=config.place("flow"),
                ),
            )
        )


def require_attached(config: Config) -> None:
    """Raise ConfigInvalid unless the config names a flow to attach to."""
    require_enabled(config)
    if not config.flow.attach_to:
        raise ConfigInvalid(
            (
                Finding(
                    "the config names no flow to attach to",
                    why="`flow.attach_to` is empty: the flow is one of ga-deploy's own",
                    fix="set `flow.attach_to: FW…` and `flow.after: WIDGET.EVENT`",
                    at=config.place("flow"),
                ),
            )
        )


def _look(target: Target, config: Config, records: Records) -> FlowLook:
    keeper = FlowKeeper(target.platform, config, target.report)
    with open_pool() as pool:
        reading = pool.start(keeper.look)
        observed = observe(target.platform, pool, target.desired, records, report=target.report)
        reading.result()
    keeper.recall(observed)
    return FlowLook(keeper, keeper.decide_for(observed), observed)


def _require_live(observed: Observed, config: Config) -> None:
    live = {function.version.path for function in observed.live}
    missing = [path for path in (config.flow.engage.path, config.flow.call_transfer.path) if path not in live]
    if missing:
        raise DeployError(
            "the functions that the flow calls are not deployed",
            why=f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in the live build",
            fix="run `ga-deploy up`, which deploys the functions and then the flow",
        )


def _require_same(first: FlowLook, fresh: FlowLook) -> None:
    before, now = first.live, fresh.live
    if (before and before.revision) == (now and now.revision):
        return
    raise DeployError(
        "the flow changed since it was read",
        why=f"revision {now.revision if now else 'none'} has come after {before.revision if before else 'none'}",
        fix="look at `ga-deploy flow diff` again, then run the command again",
    )
