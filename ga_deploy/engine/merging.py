"""What to do when somebody else deploys at the same time.

Twilio has no lock and no compare-and-set: the last deployment wins and silently drops what it did not know, so the
look before and the look after are ours to take.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ga_deploy.engine.diff import compose_build
from ga_deploy.engine.observe import read_live
from ga_deploy.engine.ownership import Ownership
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model import (
        Build,
        BuildRecipe,
        BuildSid,
        Deployment,
        DeploymentSid,
        Desired,
        Observed,
        ServiceSid,
        VersionSid,
    )

_AGAIN = "run `ga-deploy up` again: it starts from what is live then"


@dataclass(frozen=True)
class Intruder:
    """A deployment of somebody else that came in between. `is_live`: after ours; else ours has replaced it unseen."""

    build_sid: BuildSid | None
    when: str
    is_live: bool

    def describe(self) -> str:
        """Return what is known about it: Twilio does not say who deployed."""
        build = f"build {self.build_sid}" if self.build_sid else "an empty deployment"
        return f"{build}, deployed {self.when}" if self.when else build


@dataclass(frozen=True)
class LastLook:
    """What was live right before activation: the build, and the newest deployment if it is the one that made it so."""

    build_sid: BuildSid | None
    newest: DeploymentSid | None
    is_first: bool = False
    when: str = ""


def take_last_look(build_sid: BuildSid | None, deployments: Sequence[Deployment]) -> LastLook:
    """Return the last look from the environment's build and its deployments (newest first), read at the same time."""
    newest = deployments[0] if deployments else None
    # Read side by side, the two may tell of different moments; then only the build counts.
    agrees = newest is not None and newest.build_sid == build_sid
    if newest is None or not agrees:
        return LastLook(build_sid, None, is_first=newest is None)
    return LastLook(build_sid, newest.sid, when=newest.date_created or "")


def find_intruder(
    deployments: Sequence[Deployment], ours: Deployment, last: LastLook, our_build: BuildSid
) -> Intruder | None:
    """Return the deployment that slipped in around `ours`, if any; `deployments` is newest first."""
    places = [place for place, deployment in enumerate(deployments) if deployment.sid == ours.sid]
    if not places:
        newest = deployments[0] if deployments else None
        if newest is None or newest.build_sid == our_build:
            return None
        return Intruder(newest.build_sid, newest.date_created or "", is_live=True)
    place = places[0]
    if place > 0 and deployments[0].build_sid != our_build:
        return Intruder(deployments[0].build_sid, deployments[0].date_created or "", is_live=True)
    for before in deployments[place + 1 :]:
        if before.sid == last.newest:
            return None
        if before.build_sid not in (last.build_sid, our_build):
            return Intruder(before.build_sid, before.date_created or "", is_live=False)
        if last.newest is None and not last.is_first:
            # Nothing to recognise: what stood right before ours is all that can be judged.
            return None
    return None


def merge(
    platform: Platform,
    pool: Pool,
    service: ServiceSid,
    desired: Desired,
    base: Observed,
    moved_to: BuildSid | None,
    recipe: BuildRecipe,
    versions: Mapping[str, VersionSid],
) -> tuple[Observed, BuildRecipe]:
    """Return look and recipe that start from somebody else's build, `moved_to`, instead of from `base`.

    `versions` are ours, by path, that `recipe` deploys. Raises `DeployError` unless only foreign parts moved.
    """
    if moved_to is None:
        raise DeployError(
            "the environment was taken offline while this deployment ran",
            why="somebody made an empty deployment; ours would undo that",
            fix=f"find out who, then {_AGAIN}",
        )
    build = platform.get_build(service, moved_to)
    _refuse_conflicts(desired, base, build, versions)
    known = {function.version.sid: function for function in base.live}
    live = read_live(platform, pool, service, build, desired, base.record, known)
    environment = replace(base.environment, build_sid=moved_to) if base.environment else None
    seen = replace(base, build=build, live=live, environment=environment)
    fresh = compose_build(desired, seen)
    return seen, replace(fresh, upload=recipe.upload, reuse=recipe.reuse)


def has_ours(build: Build, versions: Mapping[str, VersionSid]) -> bool:
    """Whether a build holds every one of our versions."""
    there = {version.path: version.sid for version in build.function_versions}
    return all(there.get(path) == sid for path, sid in versions.items())


def refuse_to_chase(who: str) -> DeployError:
    """Return the error for an environment that moved a second time."""
    return DeployError(
        "somebody else keeps deploying to this environment",
        why=f"it moved twice while this deployment ran; last to {who}",
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
