"""Our public documents beside the assets of others: which are ours, what changes, and the upload.

The only document is the config's fallback. Its path contains eight digits of its SHA-256 (`fallback-…`), so a changed
document gets another path, and a number's fallback URL never changes its content. An asset is ours if the record names
it, or if its path has this form and its content has the digits in the path.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.engine.numbers.fallback_path import digits_of
from ga_deploy.errors import EmulatorGone, Unreachable
from ga_deploy.events import Report, StepDone, StepStarted
from ga_deploy.model.plan import Action, Change, Reason
from ga_deploy.model.release import ReleasedAsset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.engine.parallel import Pool
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.bundle import AssetFile
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.release import Record
    from ga_deploy.model.serverless import AssetVersion, Build, Environment
    from ga_deploy.model.sids import ServiceSid, VersionSid


def find_our_assets(
    platform: Platform, pool: Pool, desired: Desired, environment: Environment, build: Build, record: Record
) -> tuple[AssetVersion, ...]:
    """Return the asset versions of the live build that are ours.

    If the record does not name an asset with a path like ours, it is fetched: Twilio's API returns no asset content.
    """
    known = record.latest.assets if record.latest else {}

    def is_ours(version: AssetVersion) -> bool:
        recorded = known.get(version.path)
        if recorded is not None and recorded.version == version.sid:
            return True
        digits = digits_of(version.path, desired.function_set)
        if not digits or version.visibility != "public":
            return False
        content = _fetch(platform, f"https://{environment.domain_name}{version.path}")
        return content is not None and hashlib.sha256(content.encode()).hexdigest().startswith(digits)

    versions = build.asset_versions
    found = pool.gather(partial(is_ours, version) for version in versions)
    return tuple(version for version, ours in zip(versions, found, strict=True) if ours)


def is_served(platform: Platform, domain: str, file: AssetFile) -> bool:
    """Whether a document is live with exactly this content."""
    return _fetch(platform, f"https://{domain}{file.path}") == file.content


def _fetch(platform: Platform, url: str) -> str | None:
    try:
        answer = platform.probe(url)
    except EmulatorGone:
        raise
    except Unreachable:
        return None
    return answer.body if answer.status == 200 else None


def _live(observed: Observed) -> tuple[AssetVersion, ...]:
    return observed.build.asset_versions if observed.build else ()


def our_live_assets(observed: Observed) -> dict[str, VersionSid]:
    """Return the assets of ours in the live build."""
    return {version.path: version.sid for version in _live(observed) if version.sid in observed.our_assets}


def missing_assets(desired: Desired, observed: Observed) -> tuple[AssetFile, ...]:
    """Return the documents that must be uploaded: those that are not in the live build."""
    ours = our_live_assets(observed)
    return tuple(file for file in desired.assets if file.path not in ours)


def carry_assets(desired: Desired, observed: Observed) -> tuple[VersionSid, ...]:
    """Return the asset versions of the live build that the next build keeps.

    These are all assets of others, except at the paths of ours, and our old ones for one more release.
    """
    uploaded = {file.path for file in missing_assets(desired, observed)}
    return tuple(
        sorted(
            version.sid
            for version in _live(observed)
            if version.path not in uploaded and not _was_kept(version, desired, observed)
        )
    )


def _was_kept(version: AssetVersion, desired: Desired, observed: Observed) -> bool:
    """Whether our asset is not in the config any more, was kept for one release, and no number needs it."""
    wanted = {file.path for file in desired.assets}
    if version.sid not in observed.our_assets or version.path in wanted | observed.called_paths:
        return False
    latest = observed.record.latest
    if latest:
        recorded = latest.assets.get(version.path)
        return recorded is not None and recorded.kept
    # Without a record: if all wanted assets are live beside it, the build that replaced it exists already.
    return wanted <= {other.path for other in _live(observed)}


def release_assets(desired: Desired, live: Mapping[str, VersionSid]) -> dict[str, ReleasedAsset]:
    """Return our live assets by path, as a release records them."""
    wanted = {file.path for file in desired.assets}
    return {path: ReleasedAsset(sid, kept=path not in wanted) for path, sid in sorted(live.items())}


def diff_assets(desired: Desired, observed: Observed) -> list[Change]:
    """Return what happens to each asset, and why."""
    live = {version.path: version for version in _live(observed)}
    wanted = {file.path: file for file in desired.assets}
    changes = [_diff_wanted(file, live.get(file.path), observed) for file in desired.assets]
    for path, version in live.items():
        if path in wanted:
            continue
        reason = Reason.FOREIGN
        if version.sid in observed.our_assets:
            reason = Reason.KEPT_ONE_RELEASE
            if path in observed.called_paths:
                reason = Reason.KEPT_FOR_NUMBERS
            elif _was_kept(version, desired, observed):
                reason = Reason.KEPT_UNTIL_BUILD
        shown = _show(version)
        changes.append(Change(f"asset:{path}", Action.KEEP, reason, before=shown, after=shown))
    return sorted(changes, key=lambda change: change.address)


def _diff_wanted(file: AssetFile, live: AssetVersion | None, observed: Observed) -> Change:
    address = f"asset:{file.path}"
    after = {"visibility": "public", "sha256": file.sha256}
    if live is None:
        return Change(address, Action.CREATE, Reason.NOT_LIVE if observed.build else Reason.MISSING, after=after)
    if live.sid in observed.our_assets:
        return Change(address, Action.UNCHANGED, Reason.SAME, before=_show(live), after=_show(live))
    return Change(
        address,
        Action.UPDATE,
        Reason.FOREIGN_IN_THE_WAY,
        before=_show(live),
        after=after,
        consent=f"replace the asset {file.path}, which this config did not make",
    )


def _show(version: AssetVersion) -> dict[str, object]:
    return {"visibility": version.visibility, "version": version.sid}


def upload_assets(
    platform: Platform, pool: Pool, service: ServiceSid, files: tuple[AssetFile, ...], report: Report
) -> dict[str, VersionSid]:
    """Upload documents and return their new versions by path.

    An existing asset resource of that name is used: an interrupted run may have created it.
    """
    if not files:
        return {}
    report(StepStarted("assets", "Uploading the fallback"))
    named = {resource.friendly_name: resource.sid for resource in reversed(platform.list_assets(service))}

    def upload(file: AssetFile) -> VersionSid:
        sid = named.get(file.path) or platform.create_asset(service, file.path).sid
        return platform.upload_asset(service, sid, file).sid

    versions = pool.gather(partial(upload, file) for file in files)
    report(StepDone("assets", "Uploaded the fallback", ", ".join(file.path for file in files)))
    return {file.path: sid for file, sid in zip(files, versions, strict=True)}
