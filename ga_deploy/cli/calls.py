"""The commands that try calls, and the emulator: demo, emulator, simulate, smoke."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ga_deploy.cli.completion import complete_scenario
from ga_deploy.cli.global_options import context_of
from ga_deploy.errors import ExitCode


def demo(ctx: typer.Context) -> ExitCode:
    """Deploy and simulate calls in a temporary folder; needs no account."""
    from ga_deploy.commands import demo as command

    return command.run(context_of(ctx))


def emulator(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8790,
) -> ExitCode:
    """Run the emulator alone, for any Twilio client; stop it with Ctrl-C."""
    from ga_deploy.commands import emulator as command

    return command.run(context_of(ctx), port)


def simulate(
    ctx: typer.Context,
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO...]", help="Names or YAML files.", autocompletion=complete_scenario),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Run every shipped scenario.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the shipped scenarios.")] = False,
    calls: Annotated[
        int | None, typer.Option("--calls", metavar="N", min=1, max=100_000, help="Number of calls.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", metavar="M", min=1, max=10_000, help="Calls at the same time.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="WAV", help="Speech of every caller; or `microphone`.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="DIR", help="Save a stereo recording of each stream.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="HTML", help="Write a report with the audio of the calls.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="XML", help="Write a JUnit file.")] = None,
    asapp: Annotated[
        Literal["mock", "live"], typer.Option("--asapp", help="Use the mock ASAPP or the live one.")
    ] = "mock",
    flow: Annotated[bool, typer.Option("--flow", help="Run the calls through the Studio flow.")] = False,
) -> ExitCode:
    """Simulate whole calls and check what the caller experiences."""
    from ga_deploy.commands import simulate as command
    from ga_deploy.invocation.simulate_options import Options

    options = Options(
        tuple(scenarios or ()), every, listed, calls, concurrency, audio, record, report, junit, asapp, flow
    )
    return command.run(context_of(ctx), options)


def smoke(
    ctx: typer.Context,
    media: Annotated[
        bool, typer.Option("--media", help="Also open the media stream and wait for the agent's voice.")
    ] = False,
) -> ExitCode:
    """Check the live deployment with signed and forged requests; places no call."""
    from ga_deploy.commands import smoke as command

    return command.run(context_of(ctx), media=media)
