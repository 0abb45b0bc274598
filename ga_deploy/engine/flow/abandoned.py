"""Studio flows of earlier configs: the config no longer names them, `plan` shows them, `destroy` removes them.

The record lists each flow that a release created or attached to, and the environment's variable has the newest one.
Such a flow still answers its callers. So until `destroy` nothing changes it, and the functions that it calls stay in
the build.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy import __version__
from ga_deploy.engine.flow.flow import FLOW_VARIABLE
from ga_deploy.engine.flow.revisions import await_reads, refuse_draft, replace_definition
from ga_deploy.errors import DeployError
from ga_deploy.events import Report, StepDone, StepStarted
from ga_deploy.model.flows import OurFlow
from ga_deploy.studio import attached_at, describe_owner, detach, is_described, parse_definition

if TYPE_CHECKING:
    from collections.abc import Collection

    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.flows import Flow
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.sids import FlowSid


def find_left_flows(
    platform: Platform, desired: Desired, observed: Observed, known: Collection[FlowSid]
) -> tuple[OurFlow, ...]:
    """Return our flows except the `known` ones, which the config names. Deleted flows are left out."""
    latest = observed.record.latest
    recorded = dict(latest.flows) if latest else {}
    for variable in observed.variables:
        if variable.key == FLOW_VARIABLE and variable.value.startswith("FW"):
            recorded.setdefault(variable.value, "")
    found = []
    for sid, how in sorted(recorded.items()):
        flow = platform.find_flow(sid) if sid not in known else None
        kind = _judge(flow, how, desired) if flow else None
        if flow and kind:
            found.append(kind)
    return tuple(found)


def look_for_left_flows(
    platform: Platform, desired: Desired, observed: Observed, known: Collection[FlowSid]
) -> Observed:
    """Return the observed state with our flows, except the `known` ones of the config, and the paths that they call."""
    left = find_left_flows(platform, desired, observed, known)
    if not left or observed.environment is None:
        return replace(observed, left_flows=left)
    return replace(observed, left_flows=left, flow_paths=find_flow_paths(left, observed.environment.domain_name))


def _judge(flow: Flow, recorded: str, desired: Desired) -> OurFlow | None:
    """Return the flow as ours, completely or by our widgets in it; None if nothing in it is ours."""
    described = (flow.definition or {}).get("description")
    if recorded == "made" or is_described(described, describe_owner(desired.service_name, desired.environment)):
        return OurFlow(flow, is_attached=False)
    try:
        definition = parse_definition(flow.definition, where=f"flow {flow.sid}")
    except DeployError:
        return None
    return OurFlow(flow, is_attached=True) if attached_at(definition) else None


def find_flow_paths(flows: Collection[OurFlow], domain_name: str) -> frozenset[str]:
    """Return the paths of a domain that widgets of these flows call."""
    paths = set()
    for ours in flows:
        states = (ours.flow.definition or {}).get("states")
        for state in states if isinstance(states, list) else ():
            properties = state.get("properties") if isinstance(state, dict) else None
            url = properties.get("url") if isinstance(properties, dict) else None
            if isinstance(url, str):
                with suppress(ValueError):  # not a valid URL
                    parts = urlsplit(url)
                    if (parts.hostname or "") == domain_name.lower():
                        paths.add(parts.path)
    return frozenset(paths)


def remove_flow(platform: Platform, ours: OurFlow, report: Report) -> None:
    """Delete our flow; from a flow of others only remove our widgets, and publish it if it was published.

    Raises DeployError if somebody changed it in the meantime, or works on a draft of it.
    """
    flow = ours.flow
    report(StepStarted("flow", f"Removing from Studio: {flow.friendly_name}"))
    if not ours.is_attached:
        platform.delete_flow(flow.sid)
        report(StepDone("flow", f"Deleted flow {flow.friendly_name}", flow.sid))
        return
    status = ours.status or "published"
    refuse_draft(flow, status)
    content: dict[str, object] = {**detach(parse_definition(flow.definition, where=f"flow {flow.sid}"))}
    platform.validate_flow(flow.friendly_name, status, content)
    saved = replace_definition(platform, flow, status, content, f"ga-deploy {__version__} detached", report=report)
    await_reads(platform, saved)
    report(StepDone("flow", f"Detached from flow {flow.friendly_name}", flow.sid))
