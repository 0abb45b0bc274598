"""`destroy`: restore the numbers, then remove everything that ga-deploy created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.errors import ExitCode
from ga_deploy.invocation.session import make_session

if TYPE_CHECKING:
    from ga_deploy.engine.plan.removal import Removal
    from ga_deploy.invocation.context import Context


def run(ctx: Context) -> ExitCode:
    """Show what is removed and what stays, ask for the service's name, and remove."""
    from ga_deploy.engine.destroy import preview_removal, refuse_stranded, remove
    from ga_deploy.engine.session import hold

    config = ctx.load()
    session = make_session(ctx, config, command="destroy")
    name, environment = session.desired.service_name, session.desired.environment
    removal = preview_removal(session)
    if removal.is_empty:
        ctx.ui.result(
            {"removed": False, **removal.to_json()},
            f"Nothing to remove: ga-deploy has created nothing in {name} / {environment}.",
        )
        return ExitCode.OK
    refuse_stranded(removal)
    if not ctx.json:
        ctx.ui.note(_describe(removal, f"{name} / {environment}", "will be removed", "will stay"))
    ctx.ui.confirm(
        f"Remove this from {name} / {environment} permanently?",
        why="after this, callers no longer reach the agent",
        typed=name,
    )
    with hold(session, with_service=True):
        removal = remove(session)
    ctx.ui.result(
        {"removed": True, **removal.to_json()}, _describe(removal, f"{name} / {environment}", "removed", "stays")
    )
    return ExitCode.OK


def _describe(removal: Removal, place: str, gone: str, stays: str) -> str:
    rows: list[str] = []
    if removal.restorations:
        numbers = ", ".join(planned.number for planned in removal.restorations)
        rows.append(f"  the binding of these numbers (their earlier settings are restored): {numbers}")
    rows += [
        f"  ga-deploy's widgets in the Studio flow {ours.flow.friendly_name}"
        if ours.is_attached
        else f"  the Studio flow {ours.flow.friendly_name}"
        for ours in removal.flows
    ]
    if removal.deletes_service:
        rows.append("  the service and its domain name (Twilio will not assign this name again)")
    elif removal.deletes_environment:
        rows.append("  the environment and its domain name (Twilio will not assign this name again)")
    if removal.functions:
        rows.append(f"  functions: {', '.join(removal.functions)}")
    if removal.variables:
        rows.append(f"  variables: {', '.join(variable.key for variable in removal.variables)}")
    if removal.clears_record and not removal.left_numbers:
        rows.append("  the record of releases")
    lines = [f"{place}: {gone}", *rows]
    if removal.stays:
        lines += [f"{place}: {stays}", f"  {', '.join(removal.stays)}"]
    if removal.left_numbers:
        lines.append(
            f"  numbers that somebody has pointed elsewhere since: {', '.join(b.number for b in removal.left_numbers)}"
        )
    return "\n".join(lines)
