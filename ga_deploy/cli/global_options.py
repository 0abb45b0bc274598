"""The options that every command has. They may come before or after the command: `hoist` moves them to the front."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ga_deploy.cli.completion import complete_environment
from ga_deploy.errors import Usage

if TYPE_CHECKING:
    from ga_deploy.invocation.context import Context

_FLAGS = {"--local", "--json", "-y", "--yes", "-q", "--quiet", "-v", "--verbose", "--debug", "--no-color", "--version"}
_WITH_VALUE = {"-c", "--config", "-e", "--env"}
_ONE_LETTER = {option[1:] for option in _FLAGS | _WITH_VALUE if len(option) == 2}


@dataclass
class GlobalOptions:
    """The values of the global options in one run. `verbosity` and `colour` are those of `Ui`."""

    config: Path = Path("config.yaml")
    environment: str | None = None
    local: bool = False
    as_json: bool = False
    agreed: bool = False
    debug: bool = False
    verbosity: int = 0
    colour: bool | None = None

    @cached_property
    def context(self) -> Context:
        """The context of the command, made on first use. Whoever made this object closes it."""
        from ga_deploy.invocation.context import Context
        from ga_deploy.ui import Ui

        ui = Ui(as_json=self.as_json, agreed=self.agreed, verbosity=self.verbosity, colour=self.colour)
        return Context(config_path=self.config, environment=self.environment, local=self.local, yes=self.agreed, ui=ui)

    @property
    def has_context(self) -> bool:
        """Whether the context was made, so that it has to be closed."""
        return "context" in vars(self)


class RootGroup(TyperGroup):
    """The group of all commands. It completes global options after a command too."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:  # the types of Typer's own click have no public name
        """Parse the arguments. While a shell asks for completions, the global options are moved to the front first."""
        if extra.get("resilient_parsing"):
            args = _hoist_unfinished(args)
        return super().make_context(info_name, args, parent, **extra)


class Command(TyperCommand):
    """A command. Among its own options it completes the global ones."""

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the completions of an option's name."""
        items = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            root = ctx.find_root()
            names = _FLAGS | _WITH_VALUE
            items += [item for item in root.command.shell_complete(root, incomplete) if item.value in names]
        return items


def read_global_options(
    ctx: typer.Context,
    config: Annotated[
        Path,
        # `readable=False`: Typer would report an unreadable file as a usage error; our message says more.
        typer.Option("-c", "--config", metavar="PATH", envvar="GA_DEPLOY_CONFIG", readable=False, help="Config file."),
    ] = Path("config.yaml"),
    env: Annotated[
        str | None,
        typer.Option(
            *("-e", "--env"),
            metavar="NAME",
            envvar="GA_DEPLOY_ENV",
            help="Environment of the config.",
            autocompletion=complete_environment,
        ),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Use the built-in emulator and mock ASAPP; needs no account.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output.")] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Answer yes to every question.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print only results, warnings and errors.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print each API request with its ID.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Like -v; also print the traceback of an unexpected error.")
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Print without colour, as NO_COLOR does.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Store the global options in `ctx.obj`. Long because each option is declared here, in its own lines."""
    options: GlobalOptions = ctx.obj
    options.config = config
    options.environment = env or None
    options.local = local
    options.as_json = as_json
    options.agreed = yes
    options.debug = debug
    options.verbosity = 2 if debug else 1 if verbose else -1 if quiet else 0
    options.colour = False if no_color else None


def context_of(ctx: typer.Context) -> Context:
    """Return the context of the command that Typer is about to run."""
    options: GlobalOptions = ctx.obj
    return options.context


def hoist(argv: list[str]) -> list[str]:
    """Return the arguments with the global options first. Everything after `--` stays where it is.

    Raises `Usage` if the value of an option is missing.
    """
    front, rest, unfinished = _part(argv)
    if unfinished:
        raise Usage(f"option '{unfinished}' requires an argument", fix="see `ga-deploy --help`")
    return front + rest


def _hoist_unfinished(argv: list[str]) -> list[str]:
    """Return the arguments before the cursor, global options first; only those, if the cursor is at a value of one."""
    front, rest, unfinished = _part(argv)
    return [*front, unfinished] if unfinished else front + rest


def _part(argv: list[str]) -> tuple[list[str], list[str], str]:
    """Return the global options with their values, everything else, and the option at the end that lacks its value."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
            continue
        options = _split_letters(word)
        if options is None:
            rest.append(word)
            continue
        if options[-1] in _WITH_VALUE:
            value = next(words, None)
            if value is None:
                return [*front, *options[:-1]], rest, options[-1]
            options.append(value)
        front += options
    return front, rest, ""


def _split_letters(word: str) -> list[str] | None:
    """Return the global options in a word, one by one (`-qy`, `-eprod`); None for any other word."""
    if word in _FLAGS or word in _WITH_VALUE or word.startswith(("--config=", "--env=")):
        return [word]
    if not word.startswith("-") or word.startswith("--"):
        return None
    options: list[str] = []
    for at, letter in enumerate(word[1:], start=1):
        if letter not in _ONE_LETTER:
            return None
        options.append(f"-{letter}")
        if f"-{letter}" in _WITH_VALUE and word[at + 1 :]:
            return [*options, word[at + 1 :]]
    return options or None
