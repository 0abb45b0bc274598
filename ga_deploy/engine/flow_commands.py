"""The `flow` commands: the flow by itself, without a deployment.

The functions must be live already, since the flow calls them by their SIDs and their domain. Writes happen under the
environment's lock, from a snapshot that was taken under it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ga_deploy.engine.flow.flow import name_flow
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.session import hold
from ga_deploy.engine.snapshot import Scope, open_reconciler, take_snapshot
from ga_deploy.errors import ConfigInvalid, DeployError, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from ga_deploy.config.schema import Config
    from ga_deploy.engine.flow.flow import FlowDecision, FlowReconciler
    from ga_deploy.engine.session import Session
    from ga_deploy.engine.snapshot import Snapshot
    from ga_deploy.model.flows import Flow
    from ga_deploy.model.observed import Observed
    from ga_deploy.studio import FlowDiff


@dataclass(frozen=True)
class FlowLook:
    """The flow as it is (`live`, None if there is none), and what would change."""

    reconciler: FlowReconciler
    decision: FlowDecision
    snapshot: Snapshot
    live: Flow | None


def look_at_flow(session: Session) -> FlowLook:
    """Return the flow and what `push` would do. Writes nothing. The config has a flow (`require_enabled`)."""
    with open_pool() as pool:
        snapshot = take_snapshot(session, pool, Scope(numbers=()))
    reconciler = _require_reconciler(session, snapshot)
    return FlowLook(reconciler, reconciler.decide_for(snapshot.observed), snapshot, snapshot.flow)


def push_flow(session: Session, config: Config, agree: Callable[[FlowLook], None]) -> FlowLook:
    """Publish the flow (or attach to it) if it differs; `agree` is called before anything is written.

    Raises DeployError if the functions are not live or somebody changed the flow in the meantime.
    """
    require_enabled(config)
    first = look_at_flow(session)
    _require_live(first.snapshot.observed, config)
    if not first.decision.change.is_write:
        return first
    agree(first)
    with hold(session):
        fresh = look_at_flow(session)
        _require_same(first, fresh)
        observed = fresh.snapshot.observed
        if observed.place is None:
            raise AssertionError("the functions are live")
        flow = fresh.reconciler.push(fresh.reconciler.find_target(observed))
        name_flow(session.platform, observed.place, observed.variables, flow)
    return replace(fresh, live=flow)


def detach_flow(session: Session, config: Config, agree: Callable[[Flow, FlowDiff], None]) -> tuple[Flow, FlowDiff]:
    """Take our widgets out of the flow that they are attached to; its exits lead to their earlier widgets again."""
    require_attached(config)
    with open_pool() as pool:
        snapshot = take_snapshot(session, pool, Scope(numbers=(), contents=False))
    reconciler = _require_reconciler(session, snapshot)
    _, diff = reconciler.detached()
    if snapshot.flow is None:
        raise AssertionError("there is a flow to attach to")
    agree(snapshot.flow, diff)
    with hold(session):
        return reconciler.save_detached(), diff


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


def _require_reconciler(session: Session, snapshot: Snapshot) -> FlowReconciler:
    reconciler = open_reconciler(session, snapshot)
    if reconciler is None:
        raise AssertionError("the config has a flow")
    return reconciler


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
