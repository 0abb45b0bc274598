"""The commands that deploy, and that show or remove a deployment: plan, up, status, destroy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ga_deploy.cli.durations import read_seconds
from ga_deploy.cli.global_options import context_of
from ga_deploy.errors import ExitCode


def plan(
    ctx: typer.Context,
    diff: Annotated[bool, typer.Option("--diff", help="Show code diffs against the deployed source.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `up FILE`.")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 if there are changes.")
    ] = False,
) -> ExitCode:
    """Show what `up` would change, and why; writes nothing."""
    from ga_deploy.commands import plan as command

    return command.run(context_of(ctx), diff=diff, out=out, detailed_exitcode=detailed_exitcode)


def up(
    ctx: typer.Context,
    # `readable=False`: Typer would report an unreadable file as a usage error; our message says more.
    plan_file: Annotated[
        Path | None, typer.Argument(metavar="[PLAN-FILE]", readable=False, help="Plan that `plan --out` saved.")
    ] = None,
    lock_timeout: Annotated[
        str, typer.Option("--lock-timeout", metavar="TIME", help="How long to wait for another deployment.")
    ] = "90s",
) -> ExitCode:
    """Deploy: create or update service, functions, variables, flow and numbers."""
    from ga_deploy.commands import up as command

    seconds = read_seconds(lock_timeout, "--lock-timeout")
    return command.run(context_of(ctx), plan_file=plan_file, lock_timeout=seconds)


def status(
    ctx: typer.Context,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 if there is drift.")
    ] = False,
) -> ExitCode:
    """Show what is live: build, release, URLs, variables (masked), numbers and drift."""
    from ga_deploy.commands import status as command

    return command.run(context_of(ctx), detailed_exitcode=detailed_exitcode)


def destroy(ctx: typer.Context) -> ExitCode:
    """Restore the numbers, then remove everything that ga-deploy created."""
    from ga_deploy.commands import destroy as command

    return command.run(context_of(ctx))
