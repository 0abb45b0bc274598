"""The comparison of the desired and the observed state: what changes, and why. Pure: no I/O, no clock, no randomness.

Long because each kind of resource has its few rules, and a plan is all of them.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ga_deploy.engine.plan.assets import carry_assets, diff_assets, missing_assets, our_live_assets
from ga_deploy.engine.plan.ownership import DOMAIN_VARIABLE, RUNTIME_HANDLER, SWITCHES, Ownership
from ga_deploy.engine.record.releases import digest_variables
from ga_deploy.model.plan import Action, BuildRecipe, Change, Plan, Reason
from ga_deploy.redact import Secret, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.engine.flow.flow import FlowDecision
    from ga_deploy.model.bundle import FunctionFile
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.flows import Flow, OurFlow
    from ga_deploy.model.observed import LiveFunction, Observed

DEFAULT_RUNTIME = "node22"


def diff(
    desired: Desired,
    observed: Observed,
    *,
    numbers: Sequence[Change] = (),
    flow: FlowDecision | None = None,
    region: str | None = None,
) -> Plan:
    """Return the plan that changes `observed` into `desired`; `numbers` and `flow` are decided by their own modules.

    Long because it lists every kind of change, in the order in which a plan shows them.
    """
    owner = Ownership(desired, observed)
    functions = _diff_functions(desired, observed, owner)
    dependencies = _diff_dependencies(desired, owner)
    runtime = _diff_runtime(desired, observed)
    assets = diff_assets(desired, observed)
    content = [*functions, *assets, *dependencies, *runtime]
    builds = observed.build is None or any(change.is_write for change in content)
    if builds:
        functions = [_leave_with_build(change) for change in functions]
        assets = [_leave_with_build(change) for change in assets]
    changes = [
        *_diff_service(desired, observed, owner),
        *_diff_environment(desired, observed),
        *functions,
        *assets,
        *dependencies,
        *runtime,
        _diff_build(observed, builds, owner),
        *_diff_variables(desired, observed, owner),
        _diff_deployment(observed, builds),
        *([flow.change] if flow else ()),
        *(_diff_left_flow(left) for left in observed.left_flows),
        *numbers,
    ]
    changes += _diff_release(desired, observed, owner, changes)
    return Plan(
        account_sid=desired.account_sid,
        service=desired.service_name,
        environment=desired.environment,
        domain_name=observed.environment.domain_name if observed.environment else None,
        desired_digest=digest_desired(desired, flow.mark if flow else None),
        base=digest_base(observed, flow.live if flow else None),
        changes=tuple(changes),
        recipe=compose_build(desired, observed) if builds else None,
        region=region,
    )


def compose_build(desired: Desired, observed: Observed) -> BuildRecipe:
    """Return the content of the next build: the live build with our paths and our dependencies replaced.

    Twilio: a build is the complete content of an environment; what it leaves out goes offline.
    """
    owner = Ownership(desired, observed)
    live = {function.version.path: function for function in observed.live}
    upload = tuple(file for file in desired.functions if not _is_live(file, live.get(file.path), owner))
    uploaded = {file.path for file in upload}
    others = [function for function in observed.live if function.version.path not in desired.paths]
    kept = {
        function.version.path: function.version.sid
        for function in others
        if owner.is_our_function(function) and not _was_kept(function, desired, observed)
    }
    foreign = {f.version.path: f.version.sid for f in others if not owner.is_our_function(f)}
    dropped = {
        name
        for name, version in owner.live_dependencies.items()
        if name not in desired.dependencies and owner.made_dependency(name, version)
    }
    build = observed.build
    runtime = desired.runtime or (build.runtime if build else None) or DEFAULT_RUNTIME
    if build and runtime != build.runtime:
        dropped.add(RUNTIME_HANDLER)  # each runtime has its own handlers
    carried = {name: version for name, version in owner.sent_dependencies.items() if name not in dropped}
    return BuildRecipe(
        upload=upload,
        reuse={path: live[path].version.sid for path in sorted(desired.paths - uploaded)},
        kept=dict(sorted(kept.items())),
        foreign=dict(sorted(foreign.items())),
        assets=carry_assets(desired, observed),
        dependencies={**carried, **desired.dependencies},
        runtime=runtime,
        upload_assets=missing_assets(desired, observed),
    )


def digest_desired(desired: Desired, flow_mark: str | None = None) -> str:
    """Return one digest of the whole desired state. `up` refuses a saved plan whose digest differs."""
    state = {
        "service": [desired.service_name, desired.environment, desired.domain_suffix],
        "functions": [[f.path, f.visibility, f.sha256] for f in desired.functions],
        "dependencies": dict(desired.dependencies),
        "variables": {k: v.reveal() if isinstance(v, Secret) else v for k, v in desired.variables.items()},
        "flow": flow_mark,
        "numbers": [[n.number, n.to, n.profile, n.fallback_url, n.fallback_method] for n in desired.numbers],
        "settings": [desired.runtime, desired.include_credentials, desired.ui_editable],
        **({"assets": [[one.path, one.sha256] for one in desired.assets]} if desired.assets else {}),
    }
    return fingerprint(json.dumps(state, sort_keys=True))


def digest_base(observed: Observed, flow: Flow | None = None) -> dict[str, object]:
    """Return what a plan was made from: if any of it changes, the plan is stale. Only SIDs and digests, no values."""
    variables = {variable.key: variable.value for variable in observed.variables}
    numbers = {number: repr(seen.settings) for number, seen in sorted(observed.numbers.items())}
    return {
        "service_sid": observed.service.sid if observed.service else None,
        "environment_sid": observed.environment.sid if observed.environment else None,
        "build_sid": observed.build_sid,
        "variables": fingerprint(json.dumps(variables, sort_keys=True)) if variables else None,
        "numbers": hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:12] if numbers else None,
        "flow": f"{flow.sid} revision {flow.revision}" if flow else None,
        "release": observed.record.last_number,
    }


def _diff_left_flow(left: OurFlow) -> Change:
    """Keep a flow of an earlier config and the functions that it calls: callers may still reach it."""
    shown = {"sid": left.flow.sid, "friendly_name": left.flow.friendly_name}
    state = "our widgets are still in it" if left.is_attached else "it still answers"
    detail = f"{left.flow.friendly_name}: {state}; `ga-deploy destroy` removes this"
    return Change(f"flow:{left.flow.sid}", Action.KEEP, Reason.REMOVED, shown, shown, detail)


def _diff_service(desired: Desired, observed: Observed, owner: Ownership) -> list[Change]:
    address = f"service:{desired.service_name}"
    service = observed.service
    if service is None:
        after = {
            "unique_name": desired.service_name,
            "include_credentials": desired.include_credentials is not False,
            "ui_editable": desired.ui_editable is not False,
        }
        return [Change(address, Action.CREATE, Reason.MISSING, after=after)]
    before: dict[str, object] = {
        "include_credentials": service.include_credentials,
        "ui_editable": service.ui_editable,
    }
    wanted = {"include_credentials": desired.include_credentials, "ui_editable": desired.ui_editable}
    asked = {name: value for name, value in wanted.items() if value is not None and value != before[name]}
    if asked:
        after = {**before, **asked}
        return [Change(address, Action.UPDATE, Reason.SETTING_DIFFERS, before=before, after=after)]
    known = observed.record.latest is not None or observed.record.intent is not None or owner.has_ours_live
    return [Change(address, Action.UNCHANGED, Reason.SAME if known else Reason.ADOPTED, before=before, after=before)]


def _diff_environment(desired: Desired, observed: Observed) -> list[Change]:
    address = f"environment:{desired.environment}"
    environment = observed.environment
    if environment is None:
        after = {"unique_name": desired.environment, "domain_suffix": desired.domain_suffix}
        return [Change(address, Action.CREATE, Reason.MISSING, after=after)]
    before = {"domain_name": environment.domain_name, "domain_suffix": environment.domain_suffix}
    detail = ""
    if (environment.domain_suffix or None) != (desired.domain_suffix or None):
        # Twilio: an environment cannot be updated, so its suffix never changes.
        detail = f"its domain suffix cannot be changed; it stays {environment.domain_suffix or 'none'}"
    return [Change(address, Action.UNCHANGED, Reason.SAME, before=before, after=before, detail=detail)]


def _diff_functions(desired: Desired, observed: Observed, owner: Ownership) -> list[Change]:
    live = {function.version.path: function for function in observed.live}
    changes = [_diff_function(file, live.get(file.path), observed, owner) for file in desired.functions]
    for path, function in sorted(live.items()):
        if path in desired.paths:
            continue
        before = _show_live(function)
        address = f"function:{path}"
        if not owner.is_our_function(function):
            detail = f"belongs to another ga-deploy config (set {function.marked_set})" if function.marked_set else ""
            changes.append(Change(address, Action.KEEP, Reason.FOREIGN, before=before, after=before, detail=detail))
        elif path in observed.called_paths:
            changes.append(Change(address, Action.KEEP, Reason.KEPT_FOR_NUMBERS, before=before, after=before))
        elif path in observed.flow_paths:
            changes.append(Change(address, Action.KEEP, Reason.KEPT_FOR_FLOW, before=before, after=before))
        elif _was_kept(function, desired, observed):
            changes.append(Change(address, Action.KEEP, Reason.KEPT_UNTIL_BUILD, before=before, after=before))
        else:
            changes.append(Change(address, Action.KEEP, Reason.KEPT_ONE_RELEASE, before=before, after=before))
    return sorted(changes, key=lambda change: change.address)


def _diff_function(file: FunctionFile, live: LiveFunction | None, observed: Observed, owner: Ownership) -> Change:
    address = f"function:{file.path}"
    after = {"visibility": file.visibility, "sha256": file.sha256}
    if live is None:
        reason = Reason.NOT_LIVE if observed.build else Reason.MISSING
        return Change(address, Action.CREATE, reason, after=after)
    before = _show_live(live)
    if not owner.is_our_function(live):
        return Change(
            address,
            Action.UPDATE,
            Reason.FOREIGN_IN_THE_WAY,
            before=before,
            after=after,
            consent=f"replace the function {file.path}, which this config did not make",
        )
    if live.version.visibility != file.visibility:
        return Change(address, Action.UPDATE, Reason.VISIBILITY_DIFFERS, before=before, after=after)
    if live.sha256 != file.sha256:
        return Change(address, Action.UPDATE, Reason.SOURCE_DIFFERS, before=before, after=after)
    return Change(address, Action.UNCHANGED, Reason.SAME, before=before, after=after)


def _is_live(file: FunctionFile, live: LiveFunction | None, owner: Ownership) -> bool:
    return (
        live is not None
        and owner.is_our_function(live)
        and live.version.visibility == file.visibility
        and live.sha256 == file.sha256
    )


def _was_kept(function: LiveFunction, desired: Desired, observed: Observed) -> bool:
    """Whether our function is not in the config any more, was kept for one release, and nothing calls it."""
    if function.version.path in observed.called_paths | observed.flow_paths:
        return False
    latest = observed.record.latest
    if latest:
        recorded = latest.functions.get(function.version.path)
        return recorded is not None and recorded.kept
    # Without a record: if all wanted functions are live beside it, the build that replaced it exists already.
    return desired.paths <= {other.version.path for other in observed.live}


def _leave_with_build(change: Change) -> Change:
    if change.reason is not Reason.KEPT_UNTIL_BUILD:
        return change
    return Change(change.address, Action.DELETE, Reason.KEPT_LONG_ENOUGH, before=change.before)


def _show_live(function: LiveFunction) -> dict[str, object]:
    return {"visibility": function.version.visibility, "sha256": function.sha256, "version": function.version.sid}


def _diff_dependencies(desired: Desired, owner: Ownership) -> list[Change]:
    changes = []
    live = owner.live_dependencies
    for name, version in sorted(desired.dependencies.items()):
        address, after = f"dependency:{name}", {"version": version}
        if name not in live:
            changes.append(Change(address, Action.CREATE, Reason.MISSING, after=after))
        elif live[name] == version:
            changes.append(Change(address, Action.UNCHANGED, Reason.SAME, before=after, after=after))
        elif owner.may_set_dependency(name, live[name]):
            before = {"version": live[name]}
            changes.append(Change(address, Action.UPDATE, Reason.VERSION_DIFFERS, before=before, after=after))
        else:
            consent = f"replace the dependency {name} {live[name]}, which this config did not choose, by {version}"
            before = {"version": live[name]}
            changes.append(
                Change(address, Action.UPDATE, Reason.FOREIGN_IN_THE_WAY, before=before, after=after, consent=consent)
            )
    for name, version in sorted(live.items()):
        if name in desired.dependencies:
            continue
        address, before = f"dependency:{name}", {"version": version}
        if owner.made_dependency(name, version):
            changes.append(Change(address, Action.DELETE, Reason.REMOVED, before=before))
        else:
            reason = Reason.FOREIGN if name in owner.sent_dependencies else Reason.PLATFORM
            changes.append(Change(address, Action.KEEP, reason, before=before, after=before))
    if owner.carried_handler:
        before = {"version": owner.carried_handler}
        changes.append(
            Change(f"dependency:{RUNTIME_HANDLER}", Action.KEEP, Reason.FOREIGN, before=before, after=before)
            if desired.runtime in {None, owner.observed.build.runtime if owner.observed.build else None}
            else Change(f"dependency:{RUNTIME_HANDLER}", Action.DELETE, Reason.RUNTIME_DIFFERS, before=before)
        )
    return changes


def _diff_runtime(desired: Desired, observed: Observed) -> list[Change]:
    live = observed.build.runtime if observed.build else None
    wanted = desired.runtime or live or DEFAULT_RUNTIME
    after = {"runtime": wanted}
    if observed.build is None:
        return [Change("runtime", Action.CREATE, Reason.MISSING, after=after)]
    if wanted != live:
        return [Change("runtime", Action.UPDATE, Reason.RUNTIME_DIFFERS, before={"runtime": live}, after=after)]
    return [Change("runtime", Action.UNCHANGED, Reason.SAME, before=after, after=after)]


def _diff_build(observed: Observed, builds: bool, owner: Ownership) -> Change:
    before = {"build": observed.build_sid} if observed.build_sid else None
    if not builds:
        return Change("build", Action.UNCHANGED, Reason.SAME, before=before, after=before)
    reason = Reason.CONTENT_DIFFERS if before else Reason.MISSING
    consent = ""
    if owner.may_lose_dependencies:
        consent = (
            "make a new build although Twilio does not list the dependencies of the live one, which others may need"
        )
    return Change("build", Action.CREATE, reason, before=before, after={}, consent=consent)


def _diff_deployment(observed: Observed, builds: bool) -> Change:
    before = {"build": observed.build_sid} if observed.build_sid else None
    if not builds:
        return Change("deployment", Action.UNCHANGED, Reason.SAME, before=before, after=before)
    return Change("deployment", Action.CREATE, Reason.NEW_BUILD, before=before, after={})


def _diff_variables(desired: Desired, observed: Observed, owner: Ownership) -> list[Change]:
    live = {variable.key: variable.value for variable in observed.variables}
    changes = [_diff_variable(name, value, live, owner) for name, value in desired.variables.items()]
    changes.append(_diff_domain_variable(observed, live, owner))
    for name in live:
        if name in desired.variables or name == DOMAIN_VARIABLE:
            continue
        address = f"variable:{name}"
        if owner.made_variable(name) and name not in SWITCHES:
            changes.append(Change(address, Action.DELETE, Reason.REMOVED, before=_masked()))
        else:
            changes.append(Change(address, Action.KEEP, Reason.FOREIGN, before=_masked(), after=_masked()))
    return sorted(changes, key=lambda change: change.address)


def _diff_variable(name: str, wanted: str | Secret, live: Mapping[str, str], owner: Ownership) -> Change:
    address = f"variable:{name}"
    value = wanted.reveal() if isinstance(wanted, Secret) else wanted
    if name not in live:
        return Change(address, Action.CREATE, Reason.MISSING, after=_masked())
    if live[name] == value:
        return Change(address, Action.UNCHANGED, Reason.SAME, before=_masked(), after=_masked())
    if owner.may_set_variable(name):
        return Change(address, Action.UPDATE, Reason.VALUE_DIFFERS, before=_masked(), after=_masked())
    consent = f"overwrite the variable {name}, which this config did not set"
    reason = Reason.FOREIGN_IN_THE_WAY
    return Change(address, Action.UPDATE, reason, before=_masked(), after=_masked(), consent=consent)


def _diff_domain_variable(observed: Observed, live: Mapping[str, str], owner: Ownership) -> Change:
    """`DOMAIN_NAME` is the environment's own domain. Twilio gives it to functions anyway and may refuse the key."""
    address = f"variable:{DOMAIN_VARIABLE}"
    domain = observed.environment.domain_name if observed.environment else None
    after = {"domain_name": domain}
    if DOMAIN_VARIABLE not in live:
        if owner.has_ours_live:
            # ga-deploy sets it before its first build goes live, so its absence means that Twilio refused it.
            return Change(address, Action.KEEP, Reason.PLATFORM)
        return Change(address, Action.CREATE, Reason.MISSING, after=after)
    before = {"domain_name": live[DOMAIN_VARIABLE]}
    if live[DOMAIN_VARIABLE] == domain:
        return Change(address, Action.UNCHANGED, Reason.SAME, before=before, after=after)
    if owner.may_set_variable(DOMAIN_VARIABLE):
        return Change(address, Action.UPDATE, Reason.VALUE_DIFFERS, before=before, after=after)
    consent = f"overwrite the variable {DOMAIN_VARIABLE}, which this config did not set"
    return Change(address, Action.UPDATE, Reason.FOREIGN_IN_THE_WAY, before=before, after=after, consent=consent)


def _masked() -> dict[str, object]:
    return {"value": "********"}


def _diff_release(desired: Desired, observed: Observed, owner: Ownership, changes: Sequence[Change]) -> list[Change]:
    number = observed.record.last_number + 1
    after = {"release": f"v{number}"}
    if any(change.is_write for change in changes):
        return [Change(f"release:v{number}", Action.CREATE, Reason.NEW_RELEASE, after=after)]
    if observed.record.where != "sync":
        # A local record is a cache: it is refreshed without a pending change.
        return []
    if is_recorded(desired, observed, owner):
        latest = observed.record.latest
        name = latest.name if latest else ""
        return [Change(f"release:{name}", Action.UNCHANGED, Reason.SAME, before={"release": name})]
    return [Change(f"release:v{number}", Action.CREATE, Reason.NOT_RECORDED, after=after)]


def is_recorded(desired: Desired, observed: Observed, owner: Ownership | None = None) -> bool:
    """Whether the newest release in the record matches everything of ours that is live."""
    owner = owner or Ownership(desired, observed)
    latest = observed.record.latest
    if latest is None or observed.environment is None or latest.environment_sid != observed.environment.sid:
        return False
    ours = {f.version.path: f.version.sid for f in observed.live if owner.is_our_function(f)}
    if ours != {path: function.version for path, function in latest.functions.items()}:
        return False
    if our_live_assets(observed) != {path: asset.version for path, asset in latest.assets.items()}:
        return False
    if latest.variables_digest != digest_variables(desired.variables, latest.salt):
        return False
    made = {n: v for n, v in owner.live_dependencies.items() if owner.made_dependency(n, v)}
    return made == latest.dependencies
