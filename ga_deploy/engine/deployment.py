"""One deployment from the first look to the last word: look, compare, agree, lock, look again, carry out.

Nothing is written, and no lock is taken, before there is something to write; what was decided on is read again under
the lock, for the first look may be minutes old by the time somebody has agreed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ga_deploy.engine.apply import Deployer, Outcome
from ga_deploy.engine.binder import Binder
from ga_deploy.engine.builds import BuildTiming, find_missing
from ga_deploy.engine.check import CUT_OVER_SECONDS
from ga_deploy.engine.diff import diff, is_recorded
from ga_deploy.engine.flows import FLOW_TO_COME, FlowKeeper
from ga_deploy.engine.locking import hold
from ga_deploy.engine.number_records import ItemNumberRecord
from ga_deploy.engine.observe import observe
from ga_deploy.engine.our_flows import look_for_left_flows
from ga_deploy.engine.parallel import open_pool
from ga_deploy.engine.record_entries import compose_release, read_live_now
from ga_deploy.engine.records import open_records
from ga_deploy.engine.releases import write_release
from ga_deploy.engine.room import check_room
from ga_deploy.errors import DeployError
from ga_deploy.events import Report, StepDone, StepStarted, ignore
from ga_deploy.redact import redact_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ga_deploy.config.schema import Config
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.engine.records import Records
    from ga_deploy.model import Desired, Observed, Plan


@dataclass(frozen=True)
class Target:
    """Where a deployment goes and how: the platform, the wish, and where its record and lock are kept.

    `state` is `sync` or `local`, `folder` the `.ga-deploy` beside the config, `flow` the config where it has a flow.
    """

    platform: Platform
    desired: Desired
    state: str
    folder: Path
    region: str | None = None
    report: Report = ignore
    lock_timeout: float = 90.0
    timing: BuildTiming = field(default_factory=BuildTiming)
    check_within: float = CUT_OVER_SECONDS
    command: str = "up"
    flow: Config | None = None

    def open_records(self) -> Records:
        """Return the environment's record; sends nothing."""
        return open_records(self.platform, self.desired, state=self.state, folder=self.folder, report=self.report)


@dataclass(frozen=True)
class Deployed:
    """What became of a deployment; `outcome` is None when there was nothing to do."""

    plan: Plan
    observed: Observed
    outcome: Outcome | None


def look(target: Target, *, with_sources: bool = False) -> tuple[Observed, Plan]:
    """Return what is there and what `up` would do about it. Writes nothing."""
    with open_pool() as pool:
        seen = _look(target, pool, target.open_records(), None, with_sources=with_sources)
    return seen.observed, seen.plan


def deploy(target: Target, *, agree: Callable[[Plan], None], saved: Mapping[str, object] | None = None) -> Deployed:
    """Make it so. `agree` is called with every plan that is about to be carried out and raises to stop it.

    `saved` is a plan saved earlier: anything else than exactly that is refused with `DeployError`.
    """
    records = target.open_records()
    with open_pool() as pool:
        target.report(StepStarted("look", f"Looking at {target.desired.service_name}"))
        first = _look(target, pool, records, None)
        observed, plan = first.observed, first.plan
        target.report(StepDone("look", f"Looked at {target.desired.service_name}"))
        if saved is not None:
            refuse_stale(plan, saved)
        if plan.is_empty:
            _refresh_local_record(target, first, records)
            return Deployed(plan, observed, None)
    agree(plan)
    with hold(target, records, with_service=_makes_shared(first)) as held, open_pool() as pool:
        is_new = observed.record.last_number == 0 and observed.record.intent is None
        preparing = pool.start(records.prepare) if is_new else None
        second = _look(target, pool, records, observed)
        if _makes_shared(second) and not held.has_service:
            held.take_service()
            second = _look(target, pool, records, observed)
        seen, fresh = second.observed, second.plan
        if preparing:
            preparing.result()
        if saved is not None:
            refuse_stale(fresh, saved)
        if fresh.is_empty:
            return Deployed(fresh, seen, None)
        if fresh.to_json() != plan.to_json():
            agree(fresh)
        deployer = Deployer(
            platform=target.platform,
            pool=pool,
            desired=target.desired,
            observed=seen,
            plan=fresh,
            records=records,
            lease=held,
            report=target.report,
            binder=second.binder,
            flow=second.flow,
            timing=target.timing,
            check_within=target.check_within,
            command=target.command,
        )
        return Deployed(fresh, seen, deployer.run())


def as_saved(payload: Mapping[str, object]) -> dict[str, object]:
    """Return a plan as it is saved: without what is secret, such as the password in a URL that a number had before."""
    saved: dict[str, object] = json.loads(json.dumps(redact_tree(payload)))
    return saved


def refuse_stale(plan: Plan, saved: Mapping[str, object]) -> None:
    """Raise `DeployError` unless `saved` is what `plan` says now, told apart by who moved: the config or the world."""
    fresh = as_saved(plan.to_json())
    if saved.get("format_version") != fresh["format_version"]:
        raise DeployError(
            "the saved plan has another format",
            why=f"it is version {saved.get('format_version')}, this ga-deploy writes {fresh['format_version']}",
            fix="save a new one with `ga-deploy plan --out FILE`",
        )
    target = ("account_sid", "region", "service", "environment")
    if any(saved.get(key) != fresh[key] for key in target):
        raise DeployError(
            "the saved plan is for something else",
            why=", ".join(f"{key} {saved.get(key)}" for key in target if saved.get(key) != fresh[key]),
            fix="use the config and the environment that it was made for",
        )
    if saved.get("wish") != fresh["wish"]:
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
            why=f"moved: {', '.join(moved) or 'what would be changed'}",
            fix="look at `ga-deploy plan` again and save a new one",
        )


@dataclass(frozen=True)
class _Seen:
    """One look, the plan made from it, and what carries out its numbers and its flow."""

    observed: Observed
    plan: Plan
    binder: Binder
    flow: FlowKeeper | None


def _look(
    target: Target, pool: Pool, records: Records, earlier: Observed | None, *, with_sources: bool = False
) -> _Seen:
    desired = target.desired
    keeper = FlowKeeper(target.platform, target.flow, target.report) if target.flow else None
    flow_read = pool.start(keeper.look) if keeper else None
    observed = observe(
        target.platform,
        pool,
        desired,
        records,
        earlier=earlier,
        with_sources=with_sources,
        report=target.report,
    )
    binder = Binder(
        platform=target.platform,
        desired=desired,
        owned=observed.numbers,
        recorded=ItemNumberRecord(records, target.report).recall() if desired.numbers else {},
        records=records,
        report=target.report,
    )
    if flow_read:
        flow_read.result()
    if keeper:
        keeper.recall(observed)
    observed = look_for_left_flows(target.platform, desired, observed, keeper)
    check_room(desired, observed, with_flow=keeper is not None)
    decision = keeper.decide_for(observed) if keeper else None
    binder.flow_url = (keeper.webhook_url or FLOW_TO_COME) if keeper else None
    domain = observed.environment.domain_name if observed.environment else None
    plan = diff(desired, observed, numbers=binder.changes(domain), flow=decision, region=target.region)
    return _Seen(observed, plan, binder, keeper)


def _makes_shared(seen: _Seen) -> bool:
    """Whether something has to be created that the environments of the service share, or the environment itself."""
    observed, recipe = seen.observed, seen.plan.recipe
    if observed.service is None or observed.environment is None:
        return True
    return bool(recipe and find_missing(observed, recipe.upload))


def _refresh_local_record(target: Target, seen: _Seen, records: Records) -> None:
    """Bring a local record up to date with what is live: a cache, so no lock and no plan are needed for it."""
    desired, observed = target.desired, seen.observed
    if records.where == "sync" or is_recorded(desired, observed):
        return
    if observed.service is None or observed.environment is None:
        return
    release = compose_release(
        desired,
        observed,
        seen.plan,
        read_live_now(desired, observed),
        observed.service,
        observed.environment,
        flow=seen.flow.ours if seen.flow else None,
        when=datetime.now(UTC),
        command=target.command,
    )
    write_release(records, release)
