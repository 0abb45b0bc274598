"""The commands that work on the files of a project and need no account: init, validate, render, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ga_deploy.cli.global_options import context_of
from ga_deploy.errors import ExitCode


def init(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to write the files into.")] = Path(),
    flow: Annotated[bool, typer.Option("--flow", help="Write a config with a Studio flow.")] = False,
    templates: Annotated[
        bool, typer.Option("--templates", help="Also copy the built-in templates, so that you can change them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> ExitCode:
    """Start a project: write config.yaml, .env.example, .gitignore and a CI workflow."""
    from ga_deploy.commands import init as command

    return command.run(context_of(ctx), directory, flow=flow, templates=templates, force=force)


def validate(ctx: typer.Context) -> ExitCode:
    """Check the config offline and report every problem at once."""
    from ga_deploy.commands import validate as command

    return command.run(context_of(ctx))


def render(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write the project into.")],
) -> ExitCode:
    """Write the functions as a Serverless Toolkit project."""
    from ga_deploy.commands import render as command

    return command.run(context_of(ctx), out)


def schema(ctx: typer.Context) -> ExitCode:
    """Print the JSON Schema of the config, for editors."""
    from ga_deploy.commands import schema as command

    return command.run(context_of(ctx))
