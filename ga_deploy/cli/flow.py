"""The commands of `ga-deploy flow`."""

from __future__ import annotations

from typing import Annotated

import typer

from ga_deploy.cli.global_options import context_of
from ga_deploy.errors import ExitCode


def show(
    ctx: typer.Context,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print the flow as a Mermaid diagram.")] = False,
) -> ExitCode:
    """Show the widgets of the flow and the targets of their exits."""
    from ga_deploy.commands import flow as command

    return command.show(context_of(ctx), mermaid=mermaid)


def diff(ctx: typer.Context) -> ExitCode:
    """Compare the flow in the account with the flow that the config describes."""
    from ga_deploy.commands import flow as command

    return command.diff(context_of(ctx))


def push(ctx: typer.Context) -> ExitCode:
    """Publish the flow (or save a draft) if it differs; the functions must be live."""
    from ga_deploy.commands import flow as command

    return command.push(context_of(ctx))


def attach(ctx: typer.Context) -> ExitCode:
    """Insert ga-deploy's widgets into the flow that `flow.attach_to` names, or update them."""
    from ga_deploy.commands import flow as command

    return command.attach(context_of(ctx))


def detach(ctx: typer.Context) -> ExitCode:
    """Remove ga-deploy's widgets from that flow and restore the earlier targets of its exits."""
    from ga_deploy.commands import flow as command

    return command.detach(context_of(ctx))
