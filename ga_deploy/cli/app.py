"""The command line as a whole: which commands there are, in the order in which `--help` lists them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from ga_deploy.cli import calls, deployment, flow, numbers, project
from ga_deploy.cli.global_options import Command, RootGroup, read_global_options
from ga_deploy.errors import ExitCode

_EPILOG = "Global options (see `ga-deploy --help`) may come before or after the command."
_COMMANDS: dict[str, Callable[..., ExitCode]] = {
    "init": project.init,
    "validate": project.validate,
    "render": project.render,
    "plan": deployment.plan,
    "up": deployment.up,
    "status": deployment.status,
    "bind-number": numbers.bind_number,
    "unbind-number": numbers.unbind_number,
    "destroy": deployment.destroy,
    "demo": calls.demo,
    "emulator": calls.emulator,
    "simulate": calls.simulate,
    "smoke": calls.smoke,
    "schema": project.schema,
}
_FLOW_COMMANDS: dict[str, Callable[..., ExitCode]] = {
    "show": flow.show,
    "diff": flow.diff,
    "push": flow.push,
    "attach": flow.attach,
    "detach": flow.detach,
}
# The first words of a command line that name a command or a group of commands.
COMMAND_NAMES = (*_COMMANDS, "flow")


def make_app() -> typer.Typer:
    """Return the command line with all its commands. They return their exit code; errors leave it as exceptions."""
    app = typer.Typer(
        name="ga-deploy",
        cls=RootGroup,
        help="Deploy ASAPP GenerativeAgent on Twilio Voice from one YAML file.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(read_global_options)
    for name, command in _COMMANDS.items():
        app.command(name, cls=Command, epilog=_EPILOG)(command)
    flow_app = typer.Typer(
        name="flow",
        help="Manage the Twilio Studio flow: show, diff, push, attach and detach it.",
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    for name, command in _FLOW_COMMANDS.items():
        flow_app.command(name, cls=Command, epilog=_EPILOG)(command)
    app.add_typer(flow_app)
    return app
