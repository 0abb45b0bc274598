"""`destroy`: remove what ga-deploy made, numbers first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.errors import ExitCode
from ga_deploy.invocation.session import make_session

if TYPE_CHECKING:
    from ga_deploy.engine.plan.removal import Removal
    from ga_deploy.invocation.context import Context


def run(ctx: Context) -> ExitCode:
    """Show what goes and what stays, ask for the service's name, remove."""
    from ga_deploy.engine.destroy import preview_removal, refuse_stranded, remove
    from ga_deploy.engine.session import hold

    config = ctx.load()
    session = make_session(ctx, config, command="destroy")
    name, environment = session.desired.service_name, session.desired.environment
    removal = preview_removal(session)
    if removal.is_empty:
        ctx.ui.result({"removed": False, **removal.to_json()}, f"Nothing of ga-deploy is in {name} / {environment}.")
        return ExitCode.OK
    refuse_stranded(removal)
    if not ctx.json:
        ctx.ui.note(_tell(removal, f"{name} / {environment}", "goes", "stays"))
    ctx.ui.confirm(
        f"Remove this from {name} / {environment} for good?",
        why="callers reach nothing of it any more",
        typed=name,
    )
    with hold(session, with_service=True):
        removal = remove(session)
    ctx.ui.result({"removed": True, **removal.to_json()}, _tell(removal, f"{name} / {environment}", "gone", "stays"))
    return ExitCode.OK


def _tell(removal: Removal, place: str, gone: str, stays: str) -> str:
    rows: list[str] = []
    if removal.restorations:
        numbers = ", ".join(planned.number for planned in removal.restorations)
        rows.append(f"  numbers, given back what they had: {numbers}")
    rows += [
        f"  of Studio flow {ours.flow.friendly_name}: our widgets"
        if ours.is_attached
        else f"  Studio flow {ours.flow.friendly_name}"
        for ours in removal.flows
    ]
    if removal.deletes_service:
        rows.append("  the service with its domain, which cannot be had again")
    elif removal.deletes_environment:
        rows.append("  the environment with its domain, which cannot be had again")
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
        lines.append(f"  numbers that reach something else by now: {', '.join(b.number for b in removal.left_numbers)}")
    return "\n".join(lines)
