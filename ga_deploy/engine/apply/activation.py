"""Building and activating, in at most two attempts. Each attempt reads the deployments of others before and after.

Twilio has no compare-and-set: the last deployment wins and silently drops what it did not know. So the live build is
read right before activation, and the list of deployments right after it. If somebody else deployed, both are merged
into another build, once before an activation and once after one; then the deployment stops with an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ga_deploy.engine.apply.builds import make_build, upload_all
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
from ga_deploy.engine.apply.release import LiveBuild
from ga_deploy.engine.plan.assets import our_live_assets, release_assets, upload_assets
from ga_deploy.events import StepDone, StepStarted, Warned
from ga_deploy.model.release import ReleasedFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from ga_deploy.engine.apply.variables import VariableWriter
    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.session import Session
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import BuildRecipe
    from ga_deploy.model.serverless import Build, Deployment, ServiceEnvironment
    from ga_deploy.model.sids import BuildSid, FunctionSid, VersionSid

# How many deployments are read to find those of others. More than this during one deployment is not expected.
_LATEST_DEPLOYMENTS = 10


@dataclass(frozen=True)
class _Start:
    """What a build starts from: the state that it is compared with, its recipe, and the build that must be live."""

    base: Observed
    recipe: BuildRecipe
    expected: BuildSid | None


@dataclass(frozen=True)
class _Built:
    """A completed build, and what was live after it: `newer` are deployments of others that it does not know."""

    start: _Start
    build: Build
    sent_dependencies: Mapping[str, str]
    live_before: LiveBefore
    newer: ConcurrentDeployments


class Activation:
    """Makes one plan's build live in one environment.

    `record_numbers` writes down what the numbers have now; it runs beside the first build's last read. `check` returns
    True once the deployed paths answer; it is passed a function that tells whether waiting has become pointless, and
    returns False as soon as that is so.
    """

    def __init__(
        self,
        session: Session,
        pool: Pool,
        observed: Observed,
        place: ServiceEnvironment,
        variables: VariableWriter,
        *,
        record_numbers: Callable[[], None],
        check: Callable[[Callable[[], bool]], bool],
    ) -> None:
        self._session = session
        self._platform, self._report = session.platform, session.report
        self._desired = session.desired
        self._pool = pool
        self._observed = observed
        self._place = place
        self._variables = variables
        self._record_numbers = record_numbers
        self._check = check
        self._uploaded: Mapping[str, VersionSid] = {}
        self._versions: Mapping[str, VersionSid] = {}
        self._documents: Mapping[str, VersionSid] = {}
        self._writing_domain: Future[None] | None = None
        self._releasing_service: Future[None] | None = None
        self._recording: Future[None] | None = None

    def run(self, recipe: BuildRecipe, resources: Mapping[str, FunctionSid]) -> LiveBuild:
        """Upload, build and activate; return what is live.

        Raises `DeployError` if the build fails, if the paths do not answer, or if others changed the same things or
        keep deploying.
        """
        self._upload(recipe, resources)
        start = _Start(self._observed, self._with_documents(recipe), self._observed.build_sid)

        first = self._build(start, self._write_beside_build)
        ready = self._include_newer(first)
        concurrent = self._activate(ready)

        if concurrent:
            second = self._build(self._merge(ready, concurrent, ours=ready.build))
            if ready is not first and second.newer:
                raise refuse_repeated_change(second.newer.describe())
            ready = self._include_newer(second)
            concurrent = self._activate(ready)
            if concurrent:
                raise refuse_repeated_change(concurrent.describe())

        if self._recording:
            self._recording.result()
        return self._describe(ready)

    def _upload(self, recipe: BuildRecipe, resources: Mapping[str, FunctionSid]) -> None:
        service = self._place.service_sid
        self._writing_domain = self._pool.start(lambda: self._variables.write_domain(self._place))
        self._uploaded = upload_all(self._platform, self._pool, service, recipe.upload, resources, self._report)
        self._documents = upload_assets(self._platform, self._pool, service, recipe.upload_assets, self._report)
        # Beside the request for the build: nobody can delete the functions that a build holds.
        self._releasing_service = self._pool.start(self._session.guard.lease.give_back_service)
        self._versions = {**recipe.reuse, **self._uploaded}

    def _write_beside_build(self) -> None:
        """Write what one deployment writes once only, while the first read of what is live is under way."""
        self._recording = self._pool.start(self._record_numbers)
        self._variables.write(self._place)

    def _build(self, start: _Start, beside: Callable[[], None] = lambda: None) -> _Built:
        """Return a completed build and what is live now. `beside` is called while that is read."""
        place = self._place
        build, sent = make_build(
            self._platform, place.service_sid, start.recipe, self._uploaded, self._report, self._session.timing
        )
        reading = self._pool.start(self._read_live_build)
        listing = self._pool.start(self._list_deployments)
        beside()
        live, deployments = reading.result(), listing.result()
        live_before = find_live_before(live, deployments)
        for earlier in (self._writing_domain, self._releasing_service):
            if earlier:
                earlier.result()
        newer = ConcurrentDeployments()
        if live not in (start.expected, build.sid):
            newer = find_deployments_since(deployments, start.expected, live, live_before.when)
        return _Built(start, build, sent, live_before, newer)

    def _include_newer(self, built: _Built) -> _Built:
        """Return a build with what others deployed while `built` was made; `built` itself if nobody did."""
        if not built.newer:
            return built
        again = self._build(self._merge(built, built.newer))
        if again.newer:
            raise refuse_repeated_change(again.newer.describe())
        return again

    def _activate(self, built: _Built) -> ConcurrentDeployments:
        """Activate a build; return the deployments of others that it dropped, or that dropped it."""
        place = self._place
        self._report(StepStarted("deployment", f"Activating on {place.domain_name}"))
        deployment = self._platform.create_deployment(place.service_sid, place.environment_sid, built.build.sid)
        self._report(StepDone("deployment", f"Activated on {place.domain_name}"))
        return self._compare_after(deployment, built)

    def _compare_after(self, deployment: Deployment, built: _Built) -> ConcurrentDeployments:
        """Find deployments of others and, meanwhile, check that ours answers; return those that must be merged."""
        listing = self._pool.start(self._list_deployments)

        def find() -> ConcurrentDeployments:
            return find_concurrent(listing.result(), deployment, built.live_before, built.build.sid)

        answers = self._check(lambda: bool(find()))
        found = find()
        # Twilio does not promise that lists begin with the newest: the environment decides which build is live.
        if found.after and self._read_live_build() == built.build.sid:
            found = replace(found, after=())
        if found and self._are_harmless(found, built):
            found = ConcurrentDeployments()
        if not found and not answers:
            self._check(lambda: False)
        return found

    def _read_live_build(self) -> BuildSid | None:
        return self._platform.get_environment(self._place.service_sid, self._place.environment_sid).build_sid

    def _list_deployments(self) -> list[Deployment]:
        place = self._place
        return self._platform.list_deployments(place.service_sid, place.environment_sid, _LATEST_DEPLOYMENTS)

    def _are_harmless(self, concurrent: ConcurrentDeployments, built: _Built) -> bool:
        """Whether the live build holds ours and everything of others: so it is if they started from our build."""
        others = read_others(self._platform, self._pool, self._place.service_sid, concurrent)
        live = others.newest if concurrent.after else built.build
        joined = join_builds(self._desired, built.start.base.build, others, built.build)
        return is_complete(self._desired, live, joined, {**self._versions, **self._our_documents()})

    def _merge(self, built: _Built, concurrent: ConcurrentDeployments, ours: Build | None = None) -> _Start:
        """Return the start of another build that has what others deployed; `ours` is our build if it was live."""
        service, start = self._place.service_sid, built.start
        others = read_others(self._platform, self._pool, service, concurrent)
        base, recipe = merge(
            self._platform,
            self._pool,
            service,
            self._desired,
            start.base,
            others,
            start.recipe,
            self._versions,
            ours,
        )
        self._report(
            Warned(
                "somebody else deployed to this environment at the same time; their build is merged into ours",
                why=concurrent.describe(),
                fix="nothing; to avoid it, deploy one after the other",
            )
        )
        expected = built.live_before.build_sid
        if ours:
            expected = concurrent.live.build_sid if concurrent.live else ours.sid
        return _Start(base, self._with_documents(recipe), expected)

    def _our_documents(self) -> dict[str, VersionSid]:
        """Return the versions of the config's documents: those uploaded now and those that were live before."""
        known = {**our_live_assets(self._observed), **self._documents}
        return {file.path: known[file.path] for file in self._desired.assets if file.path in known}

    def _with_documents(self, recipe: BuildRecipe) -> BuildRecipe:
        """Return the recipe with all documents of the config among the assets of the build."""
        assets = {*recipe.assets, *self._our_documents().values()}
        return replace(recipe, assets=tuple(sorted(assets)), upload_assets=())

    def _describe(self, built: _Built) -> LiveBuild:
        """Return what is live of ours in a build, as the record keeps it."""
        recipe = built.start.recipe
        functions = {
            file.path: ReleasedFunction(self._versions[file.path], file.sha256, file.visibility)
            for file in self._desired.functions
        }
        for function in built.start.base.live:
            version = function.version
            if version.path in recipe.kept:
                functions[version.path] = ReleasedFunction(
                    version.sid, function.sha256 or "", version.visibility, kept=True
                )
        assets = {**our_live_assets(self._observed), **self._documents}
        live = {path: sid for path, sid in assets.items() if sid in recipe.assets}
        return LiveBuild(
            built.build.sid,
            functions,
            dict(built.sent_dependencies),
            recipe.runtime,
            release_assets(self._desired, live),
        )
