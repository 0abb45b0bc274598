"""The command line: signatures only. A command's body imports its own module, so that `--help` stays light.

Global options may stand before or after the command: `_hoist` moves them to the front before Typer looks. `run` is the
one place where an error becomes an exit code. Long because every command has its signature here, each a few lines.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from ga_deploy import __version__
from ga_deploy.errors import DeployError, ExitCode, Terminated, Usage
from ga_deploy.streams import OutputLost

if TYPE_CHECKING:
    from types import FrameType

    from ga_deploy.invocation.context import Context

_FLAGS = {"--local", "--json", "-y", "--yes", "-q", "--quiet", "-v", "--verbose", "--debug", "--no-color", "--version"}
_WITH_VALUE = {"-c", "--config", "-e", "--env"}
_ONE_LETTER = {option[1:] for option in _FLAGS | _WITH_VALUE if len(option) == 2}
_EPILOG = "Global options (ga-deploy --help) may stand before or after the command."

app = typer.Typer(
    name="ga-deploy",
    help="Deploy ASAPP GenerativeAgent on Twilio Voice from one YAML file.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
flow_app = typer.Typer(
    name="flow",
    help="The Twilio Studio flow: what it is, what would change, push, attach and detach it.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


class _Globals:
    """The global options of this run, and what became of it."""

    def __init__(self) -> None:
        self.context: Context | None = None
        self.code: ExitCode = ExitCode.OK
        self.debug = False
        self.agreed = False
        self.as_json = False
        self.local = False
        self.verbosity = 0
        self.colour: bool | None = None
        self.config = Path("config.yaml")
        self.environment: str | None = None


_run = _Globals()


@app.callback()
def _options(
    config: Annotated[
        Path,
        # `readable=False` here and below: Typer would call an unreadable file a usage error; ours say more.
        typer.Option(
            "-c", "--config", metavar="PATH", envvar="GA_DEPLOY_CONFIG", readable=False, help="The config file."
        ),
    ] = Path("config.yaml"),
    env: Annotated[
        str | None,
        typer.Option("-e", "--env", metavar="NAME", envvar="GA_DEPLOY_ENV", help="Environment of the config."),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Use the embedded emulator and the mock ASAPP; needs no account.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Agree to what would be asked.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only results, warnings and errors.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show each API call with its request id.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="As -v, and say where an unexpected error arose.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour; NO_COLOR is obeyed too.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    _run.config = config
    _run.environment = env or None
    _run.local = local
    _run.as_json = as_json
    _run.agreed = yes
    _run.debug = debug
    _run.verbosity = 2 if debug else 1 if verbose else -1 if quiet else 0
    _run.colour = False if no_color else None


def _context() -> Context:
    if _run.context is None:
        from ga_deploy.invocation.context import Context
        from ga_deploy.ui import Ui

        ui = Ui(as_json=_run.as_json, agreed=_run.agreed, verbosity=_run.verbosity, colour=_run.colour)
        _run.context = Context(
            config_path=_run.config, environment=_run.environment, local=_run.local, yes=_run.agreed, ui=ui
        )
    return _run.context


@app.command(epilog=_EPILOG)
def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path(),
    flow: Annotated[bool, typer.Option("--flow", help="Start with the Studio variant.")] = False,
    templates: Annotated[
        bool, typer.Option("--templates", help="Copy the built-in templates, to change them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write config.yaml, .env.example, .gitignore and a CI workflow."""
    from ga_deploy.commands import init as command

    _run.code = command.run(_context(), directory, flow=flow, templates=templates, force=force)


@app.command(epilog=_EPILOG)
def validate() -> None:
    """Check everything that can be known offline; all findings at once."""
    from ga_deploy.commands import validate as command

    _run.code = command.run(_context())


@app.command(epilog=_EPILOG)
def render(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write the project into.")],
) -> None:
    """Write the functions as a Serverless Toolkit project."""
    from ga_deploy.commands import render as command

    _run.code = command.run(_context(), out)


@app.command(epilog=_EPILOG)
def plan(
    diff: Annotated[bool, typer.Option("--diff", help="Show code diffs against the deployed source.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `up FILE`.")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes.")
    ] = False,
) -> None:
    """Show what `up` would do, and why, per resource."""
    from ga_deploy.commands import plan as command

    _run.code = command.run(_context(), diff=diff, out=out, detailed_exitcode=detailed_exitcode)


@app.command(epilog=_EPILOG)
def up(
    plan_file: Annotated[
        Path | None, typer.Argument(metavar="[PLAN-FILE]", readable=False, help="A plan saved earlier.")
    ] = None,
    lock_timeout: Annotated[
        str, typer.Option("--lock-timeout", metavar="TIME", help="How long to wait for another deployment.")
    ] = "90s",
) -> None:
    """Make it so: service, functions, build, variables, deployment, flow and numbers."""
    from ga_deploy.commands import up as command

    _run.code = command.run(_context(), plan_file=plan_file, lock_timeout=_seconds(lock_timeout, "--lock-timeout"))


@app.command(epilog=_EPILOG)
def status(
    detailed_exitcode: Annotated[bool, typer.Option("--detailed-exitcode", help="Exit 2 on drift.")] = False,
) -> None:
    """Show what is live: build, release, URLs, variables (masked), numbers, drift."""
    from ga_deploy.commands import status as command

    _run.code = command.run(_context(), detailed_exitcode=detailed_exitcode)


@app.command("bind-number", epilog=_EPILOG)
def bind_number(
    numbers: Annotated[list[str] | None, typer.Argument(metavar="NUMBER...", help="Numbers in E.164 form.")] = None,
    to: Annotated[Literal["engage", "flow"], typer.Option("--to", help="What callers reach.")] = "engage",
    profile: Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Profile of the config.")] = None,
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", metavar="CSV", readable=False, help="number[,to][,profile][,fallback_url]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Take numbers off their trunk or application.")] = False,
) -> None:
    """Point numbers at the function or the flow; what they had before is recorded."""
    from ga_deploy.commands import bind_number as command

    _run.code = command.run(_context(), numbers=numbers or [], to=to, profile=profile, from_file=from_file, force=force)


@app.command("unbind-number", epilog=_EPILOG)
def unbind_number(
    numbers: Annotated[list[str] | None, typer.Argument(metavar="NUMBER...", help="Numbers in E.164 form.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the environment's record holds.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also numbers that were pointed elsewhere since.")] = False,
) -> None:
    """Give numbers back exactly what they had before."""
    from ga_deploy.commands import unbind_number as command

    _run.code = command.run(_context(), numbers=numbers or [], every=every, force=force)


@app.command(epilog=_EPILOG)
def destroy() -> None:
    """Remove what ga-deploy made, numbers restored first."""
    from ga_deploy.commands import destroy as command

    _run.code = command.run(_context())


@app.command(epilog=_EPILOG)
def demo() -> None:
    """Show the whole job in a temporary folder, simulated calls included; no account."""
    from ga_deploy.commands import demo as command

    _run.code = command.run(_context())


@app.command(epilog=_EPILOG)
def emulator(
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 picks a free one.")] = 8790,
) -> None:
    """Run only the emulator, for any Twilio client; Ctrl-C ends it."""
    from ga_deploy.commands import emulator as command

    _run.code = command.run(_context(), port)


@app.command(epilog=_EPILOG)
def simulate(
    scenarios: Annotated[list[str] | None, typer.Argument(metavar="[SCENARIO...]", help="Names or YAML files.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every shipped scenario.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the shipped scenarios.")] = False,
    calls: Annotated[
        int | None, typer.Option("--calls", metavar="N", min=1, max=100_000, help="So many calls in all.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", metavar="M", min=1, max=10_000, help="So many at a time.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="WAV", help="What every caller says; or `microphone`.")
    ] = None,
    record: Annotated[Path | None, typer.Option("--record", metavar="DIR", help="Keep both sides as WAVs.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="HTML", help="Write a page to see and hear.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="XML", help="Write a JUnit file.")] = None,
    asapp: Annotated[Literal["mock", "live"], typer.Option("--asapp", help="Who answers for ASAPP.")] = "mock",
    flow: Annotated[bool, typer.Option("--flow", help="Through the Studio flow.")] = False,
) -> None:
    """Play whole calls through the functions on this machine, and judge what the caller went through."""
    from ga_deploy.commands import simulate as command
    from ga_deploy.invocation.simulate_options import Options

    options = Options(
        tuple(scenarios or ()), every, listed, calls, concurrency, audio, record, report, junit, asapp, flow
    )
    _run.code = command.run(_context(), options)


app.add_typer(flow_app)


@flow_app.command("show", epilog=_EPILOG)
def flow_show(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid diagram.")] = False,
) -> None:
    """Show the flow: its widgets and where their exits lead."""
    from ga_deploy.commands import flow as command

    _run.code = command.show(_context(), mermaid=mermaid)


@flow_app.command("diff", epilog=_EPILOG)
def flow_diff() -> None:
    """Show what is in the account against what the config asks for."""
    from ga_deploy.commands import flow as command

    _run.code = command.diff(_context())


@flow_app.command("push", epilog=_EPILOG)
def flow_push() -> None:
    """Publish the flow (or save a draft) if it differs; the functions must be live."""
    from ga_deploy.commands import flow as command

    _run.code = command.push(_context())


@flow_app.command("attach", epilog=_EPILOG)
def flow_attach() -> None:
    """Insert our widgets into the flow that `flow.attach_to` names, or bring them up to date."""
    from ga_deploy.commands import flow as command

    _run.code = command.attach(_context())


@flow_app.command("detach", epilog=_EPILOG)
def flow_detach() -> None:
    """Take our widgets out of that flow; its exits lead where they did before."""
    from ga_deploy.commands import flow as command

    _run.code = command.detach(_context())


@app.command(epilog=_EPILOG)
def smoke(
    media: Annotated[bool, typer.Option("--media", help="Also open the stream and expect to hear the agent.")] = False,
) -> None:
    """Ask what is deployed as Twilio would, and as an impostor would; makes no call."""
    from ga_deploy.commands import smoke as command

    _run.code = command.run(_context(), media=media)


@app.command(epilog=_EPILOG)
def schema() -> None:
    """Print the JSON Schema of the config, for editors."""
    from ga_deploy.commands import schema as command

    _run.code = command.run(_context())


def run(argv: list[str]) -> int:
    """Run the command line given by `argv` (without the program's name) and return the exit code.

    Every outcome ends here: no exception leaves it, no traceback is printed (but with `--debug`).
    """
    global _run  # noqa: PLW0603 - one run, one set of global options
    _run = _Globals()
    # What goes wrong before the options are read is told in the form that was asked for, too.
    _run.as_json = "--json" in argv
    try:
        code = _answer(argv)
    except KeyboardInterrupt:  # once more, while the first was being answered
        code = ExitCode.INTERRUPTED
    except Terminated:
        code = ExitCode.TERMINATED
    return int(_close() or code)


def _answer(argv: list[str]) -> ExitCode:
    """Do what the command line asks for; whatever comes of it is told."""
    try:
        _take_signals()
        words = _hoist(argv)
        if "--version" in words[: words.index("--") if "--" in words else None]:
            return _say_version()
        answered = app(words, prog_name="ga-deploy", standalone_mode=False)
        # Typer swallows KeyboardInterrupt and returns what it would exit with.
        was_interrupted = answered == ExitCode.INTERRUPTED
        code = _interrupted(ExitCode.INTERRUPTED, "interrupted") if was_interrupted else _run.code
    except OutputLost as error:
        code = ExitCode.FAILED if error.reader_left else _fail(error)
    except DeployError as error:
        code = _fail(error)
    except typer.TyperException as error:
        code = _usage(error, argv)
    except (KeyboardInterrupt, typer.Abort):
        code = _interrupted(ExitCode.INTERRUPTED, "interrupted")
    except Terminated:
        code = _interrupted(ExitCode.TERMINATED, "terminated")
    except OSError as error:
        code = _fail(_unusable_file(error)) if error.filename else _unexpected(error)
    except Exception as error:  # noqa: BLE001 - the contract: no input ends in a traceback
        code = _unexpected(error)
    return code


def _take_signals() -> None:
    """Let SIGTERM and SIGINT end the run in order, from now on; `__main__` holds them back until here."""
    signal.signal(signal.SIGTERM, _terminate)
    # A shell starts background jobs with SIGINT ignored; who sends one all the same means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _mask_signals("SIG_UNBLOCK")


def _mask_signals(how: Literal["SIG_BLOCK", "SIG_UNBLOCK"]) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(getattr(signal, how), {signal.SIGINT, signal.SIGTERM})


def _close() -> ExitCode | None:
    if _run.context is None:
        return None
    try:
        _run.context.close()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Terminated:
        return ExitCode.TERMINATED
    except Exception as error:  # noqa: BLE001 - the work is done; a failing clean-up must not hide its outcome
        return _unexpected(error)
    return None


def _say_version() -> ExitCode:
    _context().ui.result({"version": __version__}, f"ga-deploy {__version__}")
    return ExitCode.OK


def _tell(error: DeployError) -> None:
    with suppress(OutputLost):  # standard error has it already
        _context().ui.error(error)


def _fail(error: DeployError) -> ExitCode:
    _tell(error)
    return error.exit_code


def _usage(error: typer.TyperException, argv: list[str]) -> ExitCode:
    without_command = type(error).__name__ == "NoArgsIsHelpError"
    if without_command and not _run.as_json:
        sys.stderr.write(f"{error}\n")
        return ExitCode.USAGE
    said = "missing command" if without_command else getattr(error, "format_message", lambda: str(error))()
    command = next((word for word in argv if word in _command_names()), "")
    fix = f"see `ga-deploy {command} --help`" if command else "see `ga-deploy --help`"
    _tell(Usage(_one_line(said), why="the command line cannot be understood", fix=fix))
    return ExitCode.USAGE


def _command_names() -> set[str]:
    commands = {c.name or (c.callback.__name__ if c.callback else "") for c in app.registered_commands}
    return (commands | {"flow"}) - {""}


def _one_line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line


def _interrupted(code: ExitCode, word: str) -> ExitCode:
    _mask_signals("SIG_BLOCK")  # whoever insists is heard, once this has been said
    _tell(
        DeployError(
            word,
            why="what was made so far stays as it is",
            fix="run the same command again: it goes on from there",
            exit_code=code,
        )
    )
    _mask_signals("SIG_UNBLOCK")
    return code


def _unusable_file(error: OSError) -> DeployError:
    """Name the file: a disk that is full, a name that is too long or a lack of permission is nobody's bug."""
    return DeployError(
        f"{' '.join(str(error.filename).split())} cannot be used",
        why=error.strerror or type(error).__name__,
        fix="check its name and permissions, and the room on its disk",
    )


def _unexpected(error: Exception) -> ExitCode:
    """Say that this is our bug, and keep what is needed to mend it in a file without secrets."""
    import tempfile
    import traceback

    from ga_deploy.redact import redact

    report = redact("".join(traceback.format_exception(error)))
    where = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="ga-deploy-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"ga-deploy {__version__}, Python {sys.version.split()[0]}\n\n{report}")
            where = file.name
    except OSError:
        pass
    said = _one_line(str(error)) or type(error).__name__
    fix = (
        f"report it with {where} (it holds no secrets)"
        if where
        else "run it again with --debug and report what it says"
    )
    _tell(DeployError("something went wrong that should not", why=f"{type(error).__name__}: {said}", fix=fix))
    if _run.debug:
        _show_traceback()
    return ExitCode.FAILED


def _show_traceback() -> None:
    import traceback

    _context().ui.note(traceback.format_exc().rstrip())


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _hoist(argv: list[str]) -> list[str]:
    """Move global options to the front, wherever they stand; what follows `--` stays."""
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
        front += options
        if options[-1] in _WITH_VALUE:
            value = next(words, None)
            if value is None:
                raise Usage(
                    f"option '{options[-1]}' requires an argument",
                    why="the command line cannot be understood",
                    fix="see `ga-deploy --help`",
                )
            front.append(value)
    return front + rest


def _split_letters(word: str) -> list[str] | None:
    """Return the global options that a word is, one by one (`-qy`, `-eprod`); None if it is anything else."""
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


def _seconds(text: str, option: str) -> float:
    """Read a length of time such as `90s`, `5m`, `1h` or a bare number of seconds."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    unit = units.get(text[-1:].lower())
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise Usage(
            f"`{option} {text}` is not a length of time",
            why="it takes seconds, minutes or hours",
            fix=f"write for instance `{option} 90s`",
        )
    return seconds
