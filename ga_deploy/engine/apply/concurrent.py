"""Finding and merging deployments of others that happen at the same time.

Twilio has no lock and no compare-and-set: the last deployment wins and silently drops what it did not know. So
ga-deploy reads what is live before and after its own deployment. Long because joining builds belongs beside what finds
them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ga_deploy.engine.plan.diff import compose_build
from ga_deploy.engine.plan.observe import read_live
from ga_deploy.engine.plan.ownership import Ownership
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.plan import BuildRecipe
    from ga_deploy.model.serverless import Build, Deployment
    from ga_deploy.model.sids import BuildSid, DeploymentSid, ServiceSid, VersionSid

_AGAIN = "run `ga-deploy up` again: it starts from what is live then"


@dataclass(frozen=True)
class ConcurrentDeployment:
    """A deployment of somebody else during ours; `build_sid` is None if it took the environment offline."""

    build_sid: BuildSid | None
    when: str

    def describe(self) -> str:
        """Return a description for a message. Twilio does not report who deployed."""
        build = f"build {self.build_sid}" if self.build_sid else "an empty deployment"
        return f"{build}, deployed {self.when}" if self.when else build


@dataclass(frozen=True)
class ConcurrentDeployments:
    """Deployments of others, oldest first: ours replaced those of `before`; those of `after` replaced ours."""

    before: tuple[ConcurrentDeployment, ...] = ()
    after: tuple[ConcurrentDeployment, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.before or self.after)

    @property
    def live(self) -> ConcurrentDeployment | None:
        """The deployment of others that is live now; None if ours is live."""
        return self.after[-1] if self.after else None

    def describe(self) -> str:
        """Return a description of all of them, in one line."""
        return "; then ".join(one.describe() for one in (*self.before, *self.after))


@dataclass(frozen=True)
class ConcurrentBuilds:
    """The builds of concurrent deployments, each side oldest first."""

    before: tuple[Build, ...]
    after: tuple[Build, ...]

    @property
    def newest(self) -> Build:
        """The one that was deployed last."""
        return (*self.before, *self.after)[-1]


@dataclass(frozen=True)
class LiveBefore:
    """What was live right before activation: the build, and the newest deployment if that one made the build live."""

    build_sid: BuildSid | None
    newest: DeploymentSid | None
    is_first: bool = False
    when: str = ""


def find_live_before(build_sid: BuildSid | None, deployments: Sequence[Deployment]) -> LiveBefore:
    """Return what was live, from the environment's build and its deployments (newest first), read at the same time."""
    newest = deployments[0] if deployments else None
    # The two reads run in parallel and may differ by a moment; then only the build counts.
    agrees = newest is not None and newest.build_sid == build_sid
    if newest is None or not agrees:
        return LiveBefore(build_sid, None, is_first=newest is None)
    return LiveBefore(build_sid, newest.sid, when=newest.date_created or "")


def find_concurrent(
    deployments: Sequence[Deployment], ours: Deployment, last: LiveBefore, our_build: BuildSid
) -> ConcurrentDeployments:
    """Return the deployments of others around `ours`; `deployments` is newest first."""
    places = [place for place, deployment in enumerate(deployments) if deployment.sid == ours.sid]
    if not places:
        newest = deployments[:1]
        return ConcurrentDeployments(after=_foreign(newest, {our_build}))
    after = _foreign(deployments[: places[0]], {our_build}) if deployments[0].build_sid != our_build else ()
    before: list[Deployment] = []
    for deployment in deployments[places[0] + 1 :]:
        if deployment.sid == last.newest:
            break
        before.append(deployment)
        if last.newest is None and not last.is_first:
            # The last known deployment is unknown: only the one right before ours can be judged.
            break
    return ConcurrentDeployments(_foreign(before, {our_build, last.build_sid}), after)


def find_deployments_since(
    deployments: Sequence[Deployment], since: BuildSid | None, now_live: BuildSid | None, when: str
) -> ConcurrentDeployments:
    """Return what others deployed since the build `since` was live; `deployments` is newest first."""
    newer: list[Deployment] = []
    for deployment in deployments:
        if deployment.build_sid == since:
            break
        newer.append(deployment)
    else:
        # No listed deployment has the build `since`: the start is known only if nothing was live then.
        newer = newer if since is None else []
    if not newer or newer[0].build_sid != now_live:
        return ConcurrentDeployments(before=(ConcurrentDeployment(now_live, when),))
    return ConcurrentDeployments(before=_foreign(newer, set()))


def _foreign(deployments: Sequence[Deployment], known: Collection[BuildSid | None]) -> tuple[ConcurrentDeployment, ...]:
    """Return the deployments of builds that are not `known`, oldest first."""
    return tuple(
        ConcurrentDeployment(deployment.build_sid, deployment.date_created or "")
        for deployment in reversed(deployments)
        if deployment.build_sid not in known
    )


def read_others(
    platform: Platform, pool: Pool, service: ServiceSid, concurrent: ConcurrentDeployments
) -> ConcurrentBuilds:
    """Return the builds that others deployed; raises `DeployError` if the last of them took the environment offline."""
    for side in (concurrent.before, concurrent.after):
        if side and side[-1].build_sid is None:
            raise DeployError(
                "the environment was taken offline while this deployment ran",
                why="somebody made an empty deployment; ours would undo that",
                fix=f"find out who, then {_AGAIN}",
            )

    def read(side: Sequence[ConcurrentDeployment]) -> tuple[Build, ...]:
        builds = dict.fromkeys(one.build_sid for one in side if one.build_sid is not None)
        return tuple(pool.gather(partial(platform.get_build, service, build) for build in builds))

    return ConcurrentBuilds(read(concurrent.before), read(concurrent.after))


def merge(
    platform: Platform,
    pool: Pool,
    service: ServiceSid,
    desired: Desired,
    base: Observed,
    others: ConcurrentBuilds,
    recipe: BuildRecipe,
    versions: Mapping[str, VersionSid],
    ours: Build | None = None,
) -> tuple[Observed, BuildRecipe]:
    """Return a state and a recipe that start from what others deployed instead of from `base`.

    `versions` are our versions by path, which `recipe` deploys; `ours` is our build if it was live. Raises
    `DeployError` if others changed what this config deploys, or the same thing in two ways.
    """
    for build in (*others.before, *others.after):
        _refuse_conflicts(desired, base, build, versions)
    joined = join_builds(desired, base.build, others, ours)
    known = {function.version.sid: function for function in base.live}
    live = read_live(platform, pool, service, joined, desired, base.record, known)
    environment = replace(base.environment, build_sid=joined.sid) if base.environment else None
    seen = replace(base, build=joined, live=live, environment=environment)
    fresh = compose_build(desired, seen)
    return seen, replace(fresh, upload=recipe.upload, reuse=recipe.reuse)


def join_builds(desired: Desired, base: Build | None, others: ConcurrentBuilds, ours: Build | None) -> Build:
    """Return the newest build of others with everything that any of them added since `base`. Pure.

    Before our deployment, and after it, a later change wins over an earlier one, and what the last build left out is
    removed. A part that was changed differently before and after cannot be joined, since the later deployment did not
    know the earlier one: then this raises `DeployError`.
    """
    was, mine = _list_parts(desired, base), _list_parts(desired, ours)
    sides = [[_list_parts(desired, build) for build in side] for side in (others.before, others.after)]
    before, after = ({key: part for parts in side for key, part in _changes(parts, was, mine)} for side in sides)
    conflicts = sorted(
        f"{kind} {name}" for kind, name in before.keys() & after if before[kind, name] != after[kind, name]
    )
    if conflicts:
        raise DeployError(
            "others deployed the same thing in two ways, while this deployment ran",
            why=f"right before and right after ours, without knowing of each other: {', '.join(conflicts)}",
            fix=f"find out which one is right and deploy it, then {_AGAIN}",
        )
    gone = {key for key in was if any(side and key not in side[-1] for side in sides)}
    parts = {**{key: part for key, part in was.items() if key not in gone}, **before, **after}
    newest = others.newest
    return replace(
        newest,
        function_versions=(
            *(version for version in newest.function_versions if version.path in desired.paths),
            *(part for (kind, _), part in parts.items() if kind == "function"),
        ),
        asset_versions=(
            *(asset for asset in newest.asset_versions if asset.path in _documents(desired)),
            *(part for (kind, _), part in parts.items() if kind == "asset"),
        ),
        dependencies={
            **{name: version for name, version in newest.dependencies.items() if name in desired.dependencies},
            **{name: part for (kind, name), part in parts.items() if kind == "dependency"},
        },
        runtime=parts.get(("runtime", ""), newest.runtime),
    )


def _list_parts(desired: Desired, build: Build | None) -> dict[tuple[str, str], Any]:
    """Return the foreign parts of a build by kind and name."""
    if build is None:
        return {}
    parts: dict[tuple[str, str], Any] = {
        ("function", version.path): version for version in build.function_versions if version.path not in desired.paths
    }
    parts |= {("asset", one.path): one for one in build.asset_versions if one.path not in _documents(desired)}
    parts |= {
        ("dependency", name): version
        for name, version in build.dependencies.items()
        if name not in desired.dependencies
    }
    if desired.runtime is None and build.runtime is not None:
        parts["runtime", ""] = build.runtime
    return parts


def _documents(desired: Desired) -> frozenset[str]:
    return frozenset(file.path for file in desired.assets)


def _changes(
    parts: Mapping[tuple[str, str], Any], was: Mapping[tuple[str, str], Any], mine: Mapping[tuple[str, str], Any]
) -> list[tuple[tuple[str, str], Any]]:
    """Return the parts that others changed: they differ from the parts before and from those of our build."""
    return [(key, part) for key, part in parts.items() if part not in (was.get(key), mine.get(key))]


def is_complete(desired: Desired, live: Build, joined: Build, versions: Mapping[str, VersionSid]) -> bool:
    """Whether a live build holds our versions and everything of others that a joined build would hold."""
    there, wanted = _list_parts(desired, live), _list_parts(desired, joined)
    return has_ours(live, versions) and all(there.get(key) == part for key, part in wanted.items())


def has_ours(build: Build, versions: Mapping[str, VersionSid]) -> bool:
    """Whether a build holds all our versions of functions and assets."""
    there = {version.path: version.sid for version in build.function_versions}
    there |= {version.path: version.sid for version in build.asset_versions}
    return all(there.get(path) == sid for path, sid in versions.items())


def refuse_repeated_change(who: str) -> DeployError:
    """Return the error for an environment that others changed a second time."""
    return DeployError(
        "somebody else keeps deploying to this environment",
        why=f"it changed twice while this deployment ran; last to {who}",
        fix=f"agree on who deploys, then {_AGAIN}",
    )


def _refuse_conflicts(desired: Desired, base: Observed, build: Build, versions: Mapping[str, VersionSid]) -> None:
    before = {function.version.path: function.version.sid for function in base.live}
    conflicts = [
        version.path
        for version in build.function_versions
        if version.path in desired.paths and version.sid not in (before.get(version.path), versions.get(version.path))
    ]
    known = Ownership(desired, base).live_dependencies
    conflicts += [
        f"{name} {build.dependencies[name]}"
        for name, version in desired.dependencies.items()
        if name in build.dependencies and build.dependencies[name] not in (known.get(name), version)
    ]
    if conflicts:
        when = f" of {build.date_created}" if build.date_created else ""
        raise DeployError(
            "somebody else deployed what this config deploys, while this deployment ran",
            why=f"their build {build.sid}{when} changed {', '.join(sorted(conflicts))}",
            fix=f"find out who, then {_AGAIN}",
        )
