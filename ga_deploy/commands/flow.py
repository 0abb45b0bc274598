"""`flow show`, `diff`, `push`, `attach`, `detach`: manage the Studio flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.engine.flow_commands import (
    detach_flow,
    look_at_flow,
    push_flow,
    require_attached,
    require_enabled,
)
from ga_deploy.errors import ExitCode
from ga_deploy.invocation.session import make_session
from ga_deploy.studio import draw_mermaid, parse_definition

if TYPE_CHECKING:
    from ga_deploy.engine.flow_commands import FlowLook
    from ga_deploy.invocation.context import Context
    from ga_deploy.model.flows import Flow
    from ga_deploy.studio import Definition, FlowDiff, Transition


def show(ctx: Context, *, mermaid: bool = False) -> ExitCode:
    """Show the flow in the account. If there is none, show the flow that the config describes."""
    config = ctx.load()
    require_enabled(config)
    look = look_at_flow(make_session(ctx, config, command="flow show"))
    live = look.live
    definition = (
        parse_definition(live.definition, where=f"flow {live.sid}") if live is not None else look.decision.definition
    )
    if live is None:
        ctx.ui.note("The account has no flow yet. This is the flow that `ga-deploy flow push` would create.")
    drawn = draw_mermaid(definition)
    payload = {"flow": _to_json(live), "definition": definition, "mermaid": drawn}
    ctx.ui.result(payload, drawn if mermaid else "\n".join([_headline(live), *list_widgets(definition)]))
    return ExitCode.OK


def diff(ctx: Context) -> ExitCode:
    """Show the differences between the flow in the account and the config."""
    config = ctx.load()
    require_enabled(config)
    look = look_at_flow(make_session(ctx, config, command="flow diff"))
    ctx.ui.result({**_change(look), "diff": _diff_json(look.decision.diff)}, _describe(look))
    return ExitCode.OK


def push(ctx: Context) -> ExitCode:
    """Publish the flow (or save a draft) if it differs."""
    config = ctx.load()
    look = push_flow(make_session(ctx, config, command="flow push"), config, lambda seen: ctx.ui.note(_describe(seen)))
    return _tell(ctx, look)


def attach(ctx: Context) -> ExitCode:
    """Insert our widgets into the flow that `flow.attach_to` names, or update them."""
    config = ctx.load()
    require_attached(config)
    session = make_session(ctx, config, command="flow attach")
    return _tell(ctx, push_flow(session, config, lambda seen: ctx.ui.note(_describe(seen))))


def detach(ctx: Context) -> ExitCode:
    """Remove our widgets from the flow again."""
    config = ctx.load()

    def agree(live: Flow, changes: FlowDiff) -> None:
        ctx.ui.note("\n".join([f"{live.friendly_name} ({live.sid}), revision {live.revision}", *changes.lines()]))

    flow, changes = detach_flow(make_session(ctx, config, command="flow detach"), config, agree)
    payload = {"changed": True, "flow": _to_json(flow), "diff": _diff_json(changes)}
    ctx.ui.result(
        payload, f"Detached from {flow.friendly_name} ({flow.sid}); revision {flow.revision} is {flow.status}"
    )
    return ExitCode.OK


def _tell(ctx: Context, look: FlowLook) -> ExitCode:
    flow = look.live
    changed = look.decision.change.is_write
    payload = {**_change(look), "changed": changed, "flow": _to_json(flow), "diff": _diff_json(look.decision.diff)}
    ctx.ui.result(payload, _headline(flow) if changed else f"No changes: {_headline(flow)}")
    return ExitCode.OK


def _change(look: FlowLook) -> dict[str, object]:
    return {"change": look.decision.change.to_json()}


def _to_json(flow: Flow | None) -> dict[str, object] | None:
    if flow is None:
        return None
    return {
        "sid": flow.sid,
        "friendly_name": flow.friendly_name,
        "status": flow.status,
        "revision": flow.revision,
        "commit_message": flow.commit_message,
        "webhook_url": flow.webhook_url,
    }


def _diff_json(changes: FlowDiff) -> dict[str, object]:
    return {
        "added": list(changes.added),
        "removed": list(changes.removed),
        "changed": {name: list(lines) for name, lines in changes.changed.items()},
        "settings": list(changes.settings),
    }


def _describe(look: FlowLook) -> str:
    lines = look.decision.diff.lines()
    if not look.decision.change.is_write:
        return f"No changes: {_headline(look.live)}"
    return "\n".join([_headline(look.live), *(lines or ["~ status or name"])])


def _headline(flow: Flow | None) -> str:
    if flow is None:
        return "No flow yet"
    return f"{flow.friendly_name} ({flow.sid}), revision {flow.revision}, {flow.status}\n{flow.webhook_url}"


def list_widgets(definition: Definition) -> list[str]:
    """Return a line for each widget: its name, its type and the targets of its exits."""
    width = max(len(state["name"]) for state in definition["states"])
    lines = []
    for state in definition["states"]:
        exits = [
            f"{_exit_name(transition)} → {transition['next']}"
            for transition in state["transitions"]
            if transition.get("next")
        ]
        lines.append(f"  {state['name']:<{width}}  {state['type']:<19} {', '.join(exits) or 'ends the call'}")
    return lines


def _exit_name(transition: Transition) -> str:
    conditions = transition.get("conditions")
    return (conditions[0].get("friendly_name") if conditions else "") or transition["event"]
