"""Carrying out a plan, step by step. If a step fails, the next `up` continues from what exists then.

    service ∥ intent ▸ environment ∥ functions ▸ uploads ▸ build ▸ variables ∥ last read ▸ deployment
    ▸ deployments of others ∥ check of the paths ∥ deleted variables ▸ flow ▸ numbers ▸ release

From the uploads to the check of the paths is the work of `activation`, which merges what others deploy meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.apply.activation import Activation
from ga_deploy.engine.apply.builds import (
    await_unlisted,
    choose_resources,
    create_resource,
    find_missing,
)
from ga_deploy.engine.apply.check import check_flow, check_paths
from ga_deploy.engine.apply.numbers import refuse_failures
from ga_deploy.engine.apply.release import LiveBuild, compose_intent, compose_release, read_live_now
from ga_deploy.engine.apply.variables import VariableWriter
from ga_deploy.engine.flow.flow import name_flow
from ga_deploy.engine.plan.ownership import MADE_BY
from ga_deploy.engine.record.releases import prune_releases, write_intent, write_release
from ga_deploy.events import StepDone, StepStarted
from ga_deploy.model.plan import Action
from ga_deploy.model.serverless import ServiceEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from ga_deploy.engine.apply.numbers import NumberDeployment
    from ga_deploy.engine.flow.flow import FlowReconciler
    from ga_deploy.engine.numbers.settings import NumberTarget
    from ga_deploy.engine.numbers.writer import NumberResult
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.session import Session
    from ga_deploy.engine.snapshot import Snapshot
    from ga_deploy.model.flows import Flow
    from ga_deploy.model.numbers import IncomingNumber
    from ga_deploy.model.plan import BuildRecipe, Plan
    from ga_deploy.model.release import Release
    from ga_deploy.model.serverless import Environment, Service
    from ga_deploy.model.sids import BuildSid, FunctionSid


@dataclass(frozen=True)
class DeployResult:
    """What is live after a plan was carried out; `release` is its name in the record, e.g. `v3`."""

    place: ServiceEnvironment
    build_sid: BuildSid
    release: str


@dataclass
class Deployer:
    """Carries out one plan. `snapshot` is what the plan was made from, read under the session's lease."""

    session: Session
    pool: Pool
    snapshot: Snapshot
    plan: Plan
    number_deployment: NumberDeployment
    reconciler: FlowReconciler | None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _readings: Future[dict[str, IncomingNumber] | None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.platform, self.report = self.session.platform, self.session.report
        self.desired, self.observed = self.session.desired, self.snapshot.observed
        self.variables = VariableWriter(self.session, self.pool, self.observed, self.plan)

    def run(self) -> DeployResult:
        """Carry out the plan. After an error, everything created so far stays, and the next run uses it."""
        # The intent is written before anything it names is created, and beside the service: it costs no round trip.
        intent_written = self.pool.start(self._write_intent)
        service = self._ensure_service()
        intent_written.result()
        place, resources = self._ensure_environment(service)
        if self.plan.recipe is None:
            self.session.guard.lease.give_back_service()
            live = self._change_variables_only(place)
        else:
            live = self._activate(place, self.plan.recipe, resources)
            self.variables.delete(place)
        flow = self._push_flow(place, resources)
        results = self._bind_numbers(place, flow)
        release = self._compose_release(place, live, flow)
        write_release(self.session.records, release)
        prune_releases(self.session.records, self.pool, release.number)
        refuse_failures(results)
        return DeployResult(place, live.build_sid, release.name)

    def _compose_release(self, place: ServiceEnvironment, live: LiveBuild, flow: Flow | None) -> Release:
        return compose_release(
            self.desired,
            self.observed,
            self.plan,
            live,
            place,
            flow=self.reconciler.claim(flow) if self.reconciler else None,
            domain_refused=self.variables.domain_refused,
            when=self.now(),
            command=self.session.command,
        )

    def _write_intent(self) -> None:
        """Record what is about to be created, so that the next run recognizes it as ours."""
        intent = compose_intent(self.desired, self.observed, self.plan, self.now())
        if intent:
            write_intent(self.session.records, intent)

    def _ensure_service(self) -> Service:
        change = self.plan.of("service")[0]
        desired, seen = self.desired, self.observed.service
        if seen is None:
            self.report(StepStarted("service", f"Creating service {desired.service_name}"))
            service = self.platform.create_service(
                desired.service_name,
                friendly_name=f"{desired.service_name}{MADE_BY}",
                include_credentials=desired.include_credentials is not False,
                ui_editable=desired.ui_editable is not False,
            )
            self.report(StepDone("service", f"Created service {desired.service_name}", service.sid))
            return service
        if change.action is Action.UPDATE:
            return self.platform.update_service(
                seen.sid, include_credentials=desired.include_credentials, ui_editable=desired.ui_editable
            )
        return seen

    def _ensure_environment(self, service: Service) -> tuple[ServiceEnvironment, dict[str, FunctionSid]]:
        """Create the environment and the function resources that are missing, in parallel."""
        files = self.plan.recipe.upload if self.plan.recipe else ()
        observed = await_unlisted(
            self.platform, service.sid, self.observed, files, self.session.timing, self.now(), self.report
        )
        resources = choose_resources(observed, files)
        seen = self.observed.environment
        missing = sorted(find_missing(observed, files))
        made = self.pool.start(lambda: self._create_environment(service)) if seen is None else None
        create = partial(create_resource, self.platform, service.sid)
        resources.update(self.pool.gather(partial(create, path) for path in missing))
        environment = made.result() if made else seen
        if environment is None:
            raise AssertionError("the environment exists or was created")
        return ServiceEnvironment(service, environment), resources

    def _create_environment(self, service: Service) -> Environment:
        desired = self.desired
        environment = self.platform.create_environment(service.sid, desired.environment, desired.domain_suffix)
        self.report(StepDone("environment", f"Created environment {desired.environment}", environment.domain_name))
        return environment

    def _change_variables_only(self, place: ServiceEnvironment) -> LiveBuild:
        self.variables.write_domain(place)
        self.variables.write(place)
        self.variables.delete(place)
        if self._binds:
            self._record_numbers(place)
            self._check(place)
        return read_live_now(self.desired, self.observed)

    def _activate(
        self, place: ServiceEnvironment, recipe: BuildRecipe, resources: Mapping[str, FunctionSid]
    ) -> LiveBuild:
        activation = Activation(
            self.session,
            self.pool,
            self.observed,
            place,
            self.variables,
            record_numbers=lambda: self._record_numbers(place),
            check=lambda is_pointless: self._check(place, is_pointless),
        )
        return activation.run(recipe, resources)

    def _check(self, place: ServiceEnvironment, is_pointless: Callable[[], bool] = lambda: False) -> bool:
        if self._binds:
            # Beside the check. If the check outlasts the time that a read stays fresh, the numbers are read again.
            self._readings = self.pool.start(self.number_deployment.read)
        return check_paths(
            self.platform,
            self.pool,
            place.domain_name,
            {path: self.desired.visibility_of(path) for path in self.desired.public_paths},
            self.report,
            documents=self.desired.assets,
            within=self.session.check_within,
            is_pointless=is_pointless,
        )

    def _push_flow(self, place: ServiceEnvironment, functions: Mapping[str, FunctionSid]) -> Flow | None:
        """Publish the flow once the functions that it calls are live, and before a number points at it."""
        if self.reconciler is None or not self.plan.of("flow", Action.CREATE, Action.UPDATE):
            return self.snapshot.flow
        flow = self.reconciler.push(self.reconciler.find_target(self.observed, place, functions))
        name_flow(self.platform, place, self.observed.variables, flow)
        return flow

    @property
    def _binds(self) -> bool:
        return bool(self.plan.of("number", Action.CREATE, Action.UPDATE))

    def _find_number_target(self, place: ServiceEnvironment, flow: Flow | None) -> NumberTarget:
        planned = self.snapshot.plan_number_target(self.desired, with_flow=self.reconciler is not None)
        flow_url = flow.webhook_url if flow else planned.flow_url
        return replace(planned, domain_name=place.domain_name, flow_url=flow_url)

    def _record_numbers(self, place: ServiceEnvironment) -> None:
        if self._binds:
            self.number_deployment.record(self._find_number_target(place, self.snapshot.flow))

    def _bind_numbers(self, place: ServiceEnvironment, flow: Flow | None) -> tuple[NumberResult, ...]:
        if not self._binds:
            return ()
        if flow and any(binding.to == "flow" for binding in self.desired.numbers):
            check_flow(self.platform, flow)
        readings = self._readings.result() if self._readings else None
        return self.number_deployment.bind(self._find_number_target(place, flow), readings)
