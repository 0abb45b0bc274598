"""One run of the command line: every error and every signal ends here, in words and with an exit code."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NoReturn

import typer

from ga_deploy import __version__
from ga_deploy.cli.app import COMMAND_NAMES, make_app
from ga_deploy.cli.global_options import GlobalOptions, hoist
from ga_deploy.errors import DeployError, ExitCode, Terminated, Usage
from ga_deploy.streams import OutputLost

if TYPE_CHECKING:
    from types import FrameType


def run(argv: list[str]) -> int:
    """Run the command line `argv` (without the program's name) and return the exit code.

    No exception leaves it. A traceback is printed only with `--debug`.
    """
    # An error that comes before the options are parsed is reported as JSON too, if JSON was requested.
    options = GlobalOptions(as_json="--json" in argv)
    try:
        code = _execute(argv, options)
    except KeyboardInterrupt:  # a second one, while the first was being reported
        code = ExitCode.INTERRUPTED
    except Terminated:
        code = ExitCode.TERMINATED
    return int(_close(options) or code)


def _execute(argv: list[str], options: GlobalOptions) -> int:
    """Run the command and return its exit code; whatever it raises is reported."""
    try:
        _take_signals()
        words = hoist(argv)
        if "--version" in words[: words.index("--") if "--" in words else None]:
            options.context.ui.result({"version": __version__}, f"ga-deploy {__version__}")
            return ExitCode.OK
        returned = make_app()(words, prog_name="ga-deploy", standalone_mode=False, obj=options)
        # A command returns an `ExitCode`. Typer returns a plain number: 0 after `--help`, 130 for a KeyboardInterrupt.
        was_interrupted = not isinstance(returned, ExitCode) and returned == ExitCode.INTERRUPTED
        code = _interrupted(options, ExitCode.INTERRUPTED) if was_interrupted else returned or ExitCode.OK
    except OutputLost as error:
        code = ExitCode.FAILED if error.reader_left else _fail(options, error)
    except DeployError as error:
        code = _fail(options, error)
    except typer.TyperException as error:
        code = _usage(options, error, argv)
    except (KeyboardInterrupt, typer.Abort):
        code = _interrupted(options, ExitCode.INTERRUPTED)
    except Terminated:
        code = _interrupted(options, ExitCode.TERMINATED)
    except SystemExit as error:  # Typer ends like this after it has printed or installed the shell completion
        code = error.code if isinstance(error.code, int) else ExitCode.OK
    except OSError as error:
        code = _fail(options, _unusable_file(error)) if error.filename else _unexpected(options, error)
    except Exception as error:  # noqa: BLE001 - no input may end in a traceback
        code = _unexpected(options, error)
    return code


def _take_signals() -> None:
    """Let SIGTERM and SIGINT end the run in order, from now on; `__main__` has blocked them until here."""
    signal.signal(signal.SIGTERM, _terminate)
    # A shell starts background jobs with SIGINT ignored. A SIGINT that is sent to one is meant nevertheless.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _mask_signals("SIG_UNBLOCK")


def _mask_signals(how: Literal["SIG_BLOCK", "SIG_UNBLOCK"]) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(getattr(signal, how), {signal.SIGINT, signal.SIGTERM})


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _close(options: GlobalOptions) -> ExitCode | None:
    """Close the context; return an exit code only if that failed."""
    if not options.has_context:
        return None
    try:
        options.context.close()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Terminated:
        return ExitCode.TERMINATED
    except Exception as error:  # noqa: BLE001 - the command is done; a failing clean-up must not hide its result
        return _unexpected(options, error)
    return None


def _report(options: GlobalOptions, error: DeployError) -> None:
    with suppress(OutputLost):  # it is on standard error already
        options.context.ui.error(error)


def _fail(options: GlobalOptions, error: DeployError) -> ExitCode:
    _report(options, error)
    return error.exit_code


def _usage(options: GlobalOptions, error: typer.TyperException, argv: list[str]) -> ExitCode:
    without_command = type(error).__name__ == "NoArgsIsHelpError"
    if without_command and not options.as_json:
        sys.stderr.write(f"{error}\n")
        return ExitCode.USAGE
    message = "missing command" if without_command else getattr(error, "format_message", lambda: str(error))()
    command = next((word for word in argv if word in COMMAND_NAMES), "")
    fix = f"see `ga-deploy {command} --help`" if command else "see `ga-deploy --help`"
    _report(options, Usage(_one_line(message), fix=fix))
    return ExitCode.USAGE


def _one_line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line


def _interrupted(options: GlobalOptions, code: ExitCode) -> ExitCode:
    _mask_signals("SIG_BLOCK")  # a further signal waits until this is reported
    _report(
        options,
        DeployError(
            "terminated" if code is ExitCode.TERMINATED else "interrupted",
            why="everything that was created so far stays",
            fix="run the same command again: it continues from there",
            exit_code=code,
        ),
    )
    _mask_signals("SIG_UNBLOCK")
    return code


def _unusable_file(error: OSError) -> DeployError:
    """Name the file: a full disk, a name that is too long or a missing permission is not a bug of ga-deploy."""
    return DeployError(
        f"cannot use {' '.join(str(error.filename).split())}",
        why=error.strerror or type(error).__name__,
        fix="check its name, its permissions and the free space on its disk",
    )


def _unexpected(options: GlobalOptions, error: Exception) -> ExitCode:
    """Report a bug of ga-deploy, and save its traceback, without secrets, in a file."""
    import tempfile
    import traceback

    from ga_deploy.redact import redact

    report = redact("".join(traceback.format_exception(error)))
    log = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="ga-deploy-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"ga-deploy {__version__}, Python {sys.version.split()[0]}\n\n{report}")
            log = file.name
    except OSError:
        pass
    fix = f"report it with {log} (it holds no secrets)" if log else "run it again with --debug and report the output"
    why = f"{type(error).__name__}: {_one_line(str(error)) or type(error).__name__}"
    _report(options, DeployError("ga-deploy has a bug: this error was not expected", why=why, fix=fix))
    if options.debug:
        options.context.ui.note(traceback.format_exc().rstrip())
    return ExitCode.FAILED
