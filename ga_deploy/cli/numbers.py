"""The commands for phone numbers: bind-number and unbind-number."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ga_deploy.cli.completion import complete_profile
from ga_deploy.cli.global_options import context_of
from ga_deploy.errors import ExitCode


def bind_number(
    ctx: typer.Context,
    numbers: Annotated[list[str] | None, typer.Argument(metavar="NUMBER...", help="Numbers in E.164 form.")] = None,
    to: Annotated[Literal["engage", "flow"], typer.Option("--to", help="Where calls go.")] = "engage",
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="Profile of the config.", autocompletion=complete_profile),
    ] = None,
    # `readable=False`: Typer would report an unreadable file as a usage error; our message says more.
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", metavar="CSV", readable=False, help="number[,to][,profile][,fallback_url]"),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Bind even if the number is on a SIP trunk or application (it is taken off)."),
    ] = False,
) -> ExitCode:
    """Point numbers at the function or the flow, and record their earlier settings."""
    from ga_deploy.commands import bind_number as command

    return command.run(context_of(ctx), numbers=numbers or [], to=to, profile=profile, from_file=from_file, force=force)


def unbind_number(
    ctx: typer.Context,
    numbers: Annotated[list[str] | None, typer.Argument(metavar="NUMBER...", help="Numbers in E.164 form.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All numbers in the record of the environment.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Restore numbers too that somebody has pointed elsewhere since.")
    ] = False,
) -> ExitCode:
    """Restore the settings that numbers had before they were bound."""
    from ga_deploy.commands import unbind_number as command

    return command.run(context_of(ctx), numbers=numbers or [], every=every, force=force)
