"""Carrying out a plan, in plain order. Whatever stops it, the next `up` continues from what is there.

    service ∥ intent ▸ environment ∥ functions ▸ uploads ▸ build ▸ variables ∥ last look ▸ deployment
    ▸ what came in between ∥ do the paths answer ∥ removed variables ▸ flow ▸ numbers ▸ release

The live build is read again right before activation, and the deployments right after it: Twilio has no compare-and-set,
so this is what keeps two deployers from dropping each other's functions.

Long because the order of the steps is the point, and it is read best in one place; the steps' own work is in `builds`,
`check`, `merging`, `binder` and `flows`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.apply.builds import (
    choose_resources,
    create_resource,
    find_missing,
    make_build,
    upload_all,
)
from ga_deploy.engine.apply.check import check_flow, check_paths
from ga_deploy.engine.apply.concurrent import (
    ConcurrentDeployments,
    LiveBefore,
    find_concurrent,
    find_deployments_since,
    find_live_before,
    is_complete,
    join_builds,
    merge,
    read_others,
    refuse_repeated_change,
)
from ga_deploy.engine.apply.numbers import refuse_failures
from ga_deploy.engine.apply.release import LiveBuild, compose_intent, compose_release, read_live_now
from ga_deploy.engine.flow.flow import name_flow
from ga_deploy.engine.plan.assets import our_live_assets, release_assets, upload_assets
from ga_deploy.engine.plan.ownership import DOMAIN_VARIABLE, MADE_BY
from ga_deploy.engine.record.releases import prune_releases, write_intent, write_release
from ga_deploy.errors import ApiProblem
from ga_deploy.events import StepDone, StepStarted, Warned
from ga_deploy.model.plan import Action
from ga_deploy.model.release import Release, ReleasedFunction
from ga_deploy.model.serverless import ServiceEnvironment
from ga_deploy.redact import Secret

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
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import BuildRecipe, Change, Plan
    from ga_deploy.model.serverless import Build, Deployment, Environment, Service
    from ga_deploy.model.sids import BuildSid, FunctionSid, VersionSid

# Deployments that are read to see what came in between: more within one deployment of ours is another problem.
_LATEST_DEPLOYMENTS = 10


@dataclass(frozen=True)
class DeployResult:
    """What is live after a plan was carried out; `release` is its name in the record, e.g. `v3`."""

    place: ServiceEnvironment
    build_sid: BuildSid
    release: str


@dataclass
class Deployer:
    """Carries out one plan. `snapshot` is the look that the plan was made from, taken under the session's lease."""

    session: Session
    pool: Pool
    snapshot: Snapshot
    plan: Plan
    number_deployment: NumberDeployment
    reconciler: FlowReconciler | None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _domain_refused: bool = field(default=False, init=False)
    _documents: dict[str, VersionSid] = field(default_factory=dict, init=False)
    _readings: Future[dict[str, IncomingNumber] | None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.platform, self.report = self.session.platform, self.session.report
        self.desired, self.observed = self.session.desired, self.snapshot.observed

    def run(self) -> DeployResult:
        """Make it so; raises what went wrong, with everything made so far left for the next run to use."""
        # Before anything that it speaks of is made, and beside the service, so that it costs no round trip.
        noted = self.pool.start(self._note_intent)
        service = self._have_service()
        noted.result()
        place, resources = self._have_environment(service)
        if self.plan.recipe is None:
            self.session.guard.lease.give_back_service()
            live = self._change_variables_only(place)
        else:
            live = self._deploy(place, self.plan.recipe, resources)
            self._drop_variables(place)
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
            domain_refused=self._domain_refused,
            when=self.now(),
            command=self.session.command,
        )

    def _note_intent(self) -> None:
        """Note what is about to be made, so that a run that continues this one knows it for ours."""
        intent = compose_intent(self.desired, self.observed, self.plan)
        if intent:
            write_intent(self.session.records, intent)

    def _have_service(self) -> Service:
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

    def _have_environment(self, service: Service) -> tuple[ServiceEnvironment, dict[str, FunctionSid]]:
        """Create what is missing, all at once: the environment and function resources."""
        files = self.plan.recipe.upload if self.plan.recipe else ()
        resources = choose_resources(self.observed, files)
        seen = self.observed.environment
        missing = sorted(find_missing(self.observed, files))
        made = self.pool.start(lambda: self._create_environment(service)) if seen is None else None
        create = partial(create_resource, self.platform, service.sid)
        resources.update(self.pool.gather(partial(create, path) for path in missing))
        environment = made.result() if made else seen
        if environment is None:
            raise AssertionError("an environment is either seen or made")
        return ServiceEnvironment(service, environment), resources

    def _create_environment(self, service: Service) -> Environment:
        desired = self.desired
        environment = self.platform.create_environment(service.sid, desired.environment, desired.domain_suffix)
        self.report(StepDone("environment", f"Created environment {desired.environment}", environment.domain_name))
        return environment

    def _change_variables_only(self, place: ServiceEnvironment) -> LiveBuild:
        self._set_domain_variable(place)
        self._set_variables(place)
        self._drop_variables(place)
        if self._binds:
            self._record_numbers(place)
            self._check(place)
        return read_live_now(self.desired, self.observed)

    def _deploy(
        self, place: ServiceEnvironment, recipe: BuildRecipe, resources: Mapping[str, FunctionSid]
    ) -> LiveBuild:
        naming = self.pool.start(lambda: self._set_domain_variable(place))
        uploaded = upload_all(self.platform, self.pool, place.service_sid, recipe.upload, resources, self.report)
        self._documents = upload_assets(self.platform, self.pool, place.service_sid, recipe.upload_assets, self.report)
        recipe = self._with_documents(recipe)
        # Beside the request for the build: what that holds, nobody can delete.
        giving_back = self.pool.start(self.session.guard.lease.give_back_service)
        versions = {**recipe.reuse, **uploaded}
        base, expected, merged_before, merged_after = self.observed, self.observed.build_sid, False, False
        variables_set = False
        recording: Future[None] | None = None
        while True:
            build, sent = make_build(
                self.platform, place.service_sid, recipe, uploaded, self.report, self.session.timing
            )
            looking = self.pool.start(lambda: self.platform.get_environment(place.service_sid, place.environment_sid))
            listing = self.pool.start(lambda: self._list_deployments(place))
            recording = recording or self.pool.start(lambda: self._record_numbers(place))
            if not variables_set:
                self._set_variables(place)
                variables_set = True
            now_live = looking.result().build_sid
            last = find_live_before(now_live, listing.result())
            naming.result()
            giving_back.result()
            if now_live not in (expected, build.sid):
                newcomers = find_deployments_since(listing.result(), expected, now_live, last.when)
                if merged_before:
                    raise refuse_repeated_change(newcomers.describe())
                merged_before = True
                base, recipe = self._merge(place, base, newcomers, recipe, versions)
                expected = now_live
                continue
            deployment = self._activate(place, build.sid)
            slipped = self._look_after(place, deployment, last, base, build, versions)
            if not slipped:
                break
            if merged_after:
                raise refuse_repeated_change(slipped.describe())
            merged_after = True
            base, recipe = self._merge(place, base, slipped, recipe, versions, build)
            expected = slipped.live.build_sid if slipped.live else build.sid
        recording.result()
        kept = {function.version.path: function for function in base.live if function.version.path in recipe.kept}
        functions = {
            file.path: ReleasedFunction(versions[file.path], file.sha256, file.visibility)
            for file in self.desired.functions
        }
        for path, function in kept.items():
            functions[path] = ReleasedFunction(
                function.version.sid, function.sha256 or "", function.version.visibility, kept=True
            )
        assets = {**our_live_assets(self.observed), **self._documents}
        live = {path: sid for path, sid in assets.items() if sid in recipe.assets}
        return LiveBuild(build.sid, functions, dict(sent), recipe.runtime, release_assets(self.desired, live))

    def _activate(self, place: ServiceEnvironment, build: BuildSid) -> Deployment:
        self.report(StepStarted("deployment", f"Activating on {place.domain_name}"))
        deployment = self.platform.create_deployment(place.service_sid, place.environment_sid, build)
        self.report(StepDone("deployment", f"Activated on {place.domain_name}"))
        return deployment

    def _look_after(
        self,
        place: ServiceEnvironment,
        deployment: Deployment,
        last: LiveBefore,
        base: Observed,
        build: Build,
        versions: Mapping[str, VersionSid],
    ) -> ConcurrentDeployments:
        """See whether somebody's deployments slipped in and, meanwhile, whether ours answers; return what to merge."""
        listing = self.pool.start(lambda: self._list_deployments(place))

        def intruders() -> ConcurrentDeployments:
            return find_concurrent(listing.result(), deployment, last, build.sid)

        answers = self._check(place, is_pointless=lambda: bool(intruders()))
        found = intruders()
        # That lists begin with the newest was seen, not promised; the environment's own word counts.
        if found.after and self._read_live_build(place) == build.sid:
            found = replace(found, after=())
        if found and self._are_harmless(place, found, base, build, versions):
            found = ConcurrentDeployments()
        if not found and not answers:
            self._check(place)
        return found

    def _read_live_build(self, place: ServiceEnvironment) -> BuildSid | None:
        return self.platform.get_environment(place.service_sid, place.environment_sid).build_sid

    def _are_harmless(
        self,
        place: ServiceEnvironment,
        intruders: ConcurrentDeployments,
        base: Observed,
        build: Build,
        versions: Mapping[str, VersionSid],
    ) -> bool:
        """Whether what is live now holds ours and all that others deployed around it, as when they built upon ours."""
        others = read_others(self.platform, self.pool, place.service_sid, intruders)
        live = others.newest if intruders.after else build
        joined = join_builds(self.desired, base.build, others, build)
        return is_complete(self.desired, live, joined, {**versions, **self._our_documents()})

    def _list_deployments(self, place: ServiceEnvironment) -> list[Deployment]:
        return self.platform.list_deployments(place.service_sid, place.environment_sid, _LATEST_DEPLOYMENTS)

    def _check(self, place: ServiceEnvironment, is_pointless: Callable[[], bool] = lambda: False) -> bool:
        if self._binds:
            # Beside the check; if that takes longer than a reading is fresh, they are read again.
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

    def _merge(
        self,
        place: ServiceEnvironment,
        base: Observed,
        intruders: ConcurrentDeployments,
        recipe: BuildRecipe,
        versions: Mapping[str, VersionSid],
        ours: Build | None = None,
    ) -> tuple[Observed, BuildRecipe]:
        others = read_others(self.platform, self.pool, place.service_sid, intruders)
        seen, merged = merge(
            self.platform, self.pool, place.service_sid, self.desired, base, others, recipe, versions, ours
        )
        self.report(
            Warned(
                "somebody else deployed to this environment meanwhile; theirs is merged in",
                why=intruders.describe(),
                fix="nothing to do; to avoid it, deploy one after the other",
            )
        )
        return seen, self._with_documents(merged)

    def _our_documents(self) -> dict[str, VersionSid]:
        """Return the versions of the documents of the config, those that this run uploaded and those that were live."""
        known = {**our_live_assets(self.observed), **self._documents}
        return {file.path: known[file.path] for file in self.desired.assets if file.path in known}

    def _with_documents(self, recipe: BuildRecipe) -> BuildRecipe:
        """Return the recipe with all documents of the config among the assets of the build."""
        assets = {*recipe.assets, *self._our_documents().values()}
        return replace(recipe, assets=tuple(sorted(assets)), upload_assets=())

    def _set_variables(self, place: ServiceEnvironment) -> None:
        """Create and update variables: right before activation, since each is live the moment it is written."""
        changes = [c for c in self.plan.of("variable", Action.CREATE, Action.UPDATE) if c.name != DOMAIN_VARIABLE]
        if not changes:
            return
        self.report(StepStarted("variables", "Setting variables"))
        self.pool.gather(partial(self._set_variable, place, change) for change in changes)
        self.report(StepDone("variables", f"Set {len(changes)} variable{'s' if len(changes) > 1 else ''}"))

    def _set_variable(self, place: ServiceEnvironment, change: Change) -> None:
        wanted = place.domain_name if change.name == DOMAIN_VARIABLE else self.desired.variables[change.name]
        value = wanted.reveal() if isinstance(wanted, Secret) else wanted
        seen = {variable.key: variable.sid for variable in self.observed.variables}
        if change.name in seen:
            self.platform.update_variable(place.service_sid, place.environment_sid, seen[change.name], value)
        else:
            self.platform.create_variable(place.service_sid, place.environment_sid, change.name, value)

    def _set_domain_variable(self, place: ServiceEnvironment) -> None:
        """Set `DOMAIN_NAME`; early, for it is the same for the old build and the new."""
        change = self.plan.find(f"variable:{DOMAIN_VARIABLE}")
        if change is None or change.action not in {Action.CREATE, Action.UPDATE}:
            return
        try:
            self._set_variable(place, change)
        except ApiProblem as problem:
            # Twilio docs: the platform sets DOMAIN_NAME itself; refused or not, functions have it.
            if problem.status not in {400, 409}:
                raise
            self._domain_refused = True

    def _drop_variables(self, place: ServiceEnvironment) -> None:
        """Delete variables of ours that are no longer wanted: after activation, for the old build still read them."""
        names = {change.name for change in self.plan.of("variable", Action.DELETE)}
        gone = [variable for variable in self.observed.variables if variable.key in names]
        self.pool.gather(
            partial(self.platform.delete_variable, place.service_sid, place.environment_sid, variable.sid)
            for variable in gone
        )
        if gone:
            self.report(StepDone("variables", f"Removed {len(gone)} variable{'s' if len(gone) > 1 else ''}"))

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
