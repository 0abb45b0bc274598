"""The only printer. Results go to standard output, everything else to standard error; all of it passes `redact`.

On a terminal, a live line shows the current work, with the finished steps above it. Without a terminal, each start and
each end of a step is a plain line. With `--json`, standard output gets exactly one object. In GitHub Actions it also
writes annotations, outputs and a step summary. rich is imported only to draw a table or a live line.
Long because everything that a user sees is printed in this one file.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ga_deploy.errors import ConfigInvalid, DeployError, ExitCode, Finding, Place, Refused
from ga_deploy.events import ApiCall, Event, StepDone, StepProgress, StepStarted, Warned
from ga_deploy.harmless import Harmless, break_commands, escape_obeyed, make_harmless
from ga_deploy.redact import redact, redact_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.status import Status

FORMAT_VERSION = 1

# Our own colours carry a random word, to distinguish them from those in texts of others. It is removed before writing.
_OURS = f"ours-{os.urandom(8).hex()}"
_OUR_COLOUR = re.compile(rf"\[{_OURS};([0-9;]*)m")
# Replacements of the same width for an encoding that lacks these signs.
_PLAIN = str.maketrans("✓✗…·→▸“”’–×µ", 'vx..>>""\'-xu')
_LEVEL_COLOUR = {"error": "31", "warning": "33"}


class Ui:
    """Prints the output of one command and asks its questions.

    `verbosity`: -1 quiet (errors and results only), 0 normal, 1 each API call, 2 debug. `colour` None decides by the
    terminal, `NO_COLOR` and `TERM`.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        agreed: bool = False,
        verbosity: int = 0,
        colour: bool | None = None,
        out: TextIO | None = None,
        err: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.as_json = as_json
        self.verbosity = verbosity
        self._agreed = agreed
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._environ = os.environ if environ is None else environ
        self._colour = colour
        self._started: dict[str, tuple[str, float]] = {}
        self._status: Status | None = None
        self._live: Live | None = None
        self._answered = False

    @property
    def is_interactive(self) -> bool:
        """Whether a question can be asked: input and errors are on a terminal, and the output is not JSON."""
        return not self.as_json and sys.stdin.isatty() and self._err.isatty()

    @property
    def is_live(self) -> bool:
        """Whether progress may be redrawn in place."""
        return self._err.isatty() and self._environ.get("TERM") != "dumb" and self.verbosity == 0

    def result(self, payload: Mapping[str, object], human: RenderableType | str = "") -> None:
        """Print the result of the command: with `--json` the `payload` (with `format_version`), else `human`.

        With `--json`, a run may print exactly one object.
        """
        self._settle()
        if self.as_json:
            if self._answered:
                raise RuntimeError("a command prints one JSON object")
            self._answered = True
            self._write_json({"format_version": FORMAT_VERSION, **payload})
        elif isinstance(human, str):
            if human:
                self._write(self._out, human)
        else:
            self._write(self._out, self.render(human, self._out))

    def document(self, payload: Mapping[str, object]) -> None:
        """Print an object as JSON in every mode: for results that are a document (`schema`)."""
        self._answered = True
        self._write_json(payload)

    def render(self, renderable: RenderableType, stream: TextIO) -> str:
        """Draw a rich renderable as text, with colour only if `stream` shows it, at most as wide as the terminal."""
        from io import StringIO

        from rich.console import Console

        width = self._width(stream)
        drawn = StringIO()
        colour = self._has_colour(stream)
        console = Console(
            file=drawn,
            width=width,
            force_terminal=colour,
            color_system="standard" if colour else None,
            no_color=not colour,
            highlight=False,
            emoji=False,
            markup=False,
            _environ=self._environ,
        )
        console.print(Harmless(renderable))
        coloured = drawn.getvalue().replace("\x1b[", f"[{_OURS};")
        return "\n".join(line.rstrip() for line in coloured.rstrip("\n").split("\n"))

    def note(self, text: str) -> None:
        """Print a message about the work; silent with `--quiet`."""
        if self.verbosity >= 0:
            self._settle()
            self._write(self._err, text)

    def warn(self, what: str, *, why: str = "", fix: str = "", at: Place | None = None) -> None:
        """Print a warning, even with `--quiet`."""
        self._settle()
        self._write(self._err, self._block("warning", what, why, fix, str(at) if at else ""))
        self._annotate("warning", what, why, at)

    def event(self, event: Event) -> None:
        """Show what the engine reports."""
        match event:
            case StepStarted(key, label):
                self._started[key] = (label, time.monotonic())
                self._show_live() if self.is_live else self._plain(f"  … {label}")
            case StepProgress(key, done, total, detail):
                self._progress(key, done, total, detail)
            case StepDone(key, label, detail):
                self._done(key, label, detail)
            case Warned(what, why, fix):
                self.warn(what, why=why, fix=fix)
            case ApiCall():
                self._api_call(event)

    def redraw(self, renderable: RenderableType | None) -> None:
        """On a terminal, show `renderable` in place of the one before it; None removes it.

        Does nothing without a terminal (`is_live`): print plain lines there. Do not mix it with step events.
        """
        if not self.is_live:
            return
        if renderable is None:
            if self._live is not None:
                self._live.stop()
            self._live = None
            return
        if self._live is None:
            from rich.live import Live

            self._settle()
            self._live = Live(console=self._console(), transient=True, refresh_per_second=8)
            self._live.start()
        self._live.update(Harmless(renderable))

    def confirm(self, question: str, *, flag: str = "--yes", why: str = "", typed: str | None = None) -> None:
        """Return if the user confirms; raise `DeployError` otherwise.

        `--yes` confirms in advance. Without a terminal nothing is asked: the error names `flag`. With `typed` the user
        must type exactly that text.
        """
        if self._agreed and flag == "--yes":
            return
        if not self.is_interactive:
            raise DeployError(
                f"confirmation needed: {question}",
                why=why or "there is no terminal to ask on",
                fix=f"pass `{flag}` to confirm",
            )
        self._settle()
        if why:
            self._write(self._err, why)
        prompt = f"{question} Type `{typed}` to confirm: " if typed else f"{question} [y/N] "
        answer = self._ask(prompt).strip()
        agreed = answer == typed if typed else answer.lower() in {"y", "yes"}
        if not agreed:
            raise DeployError("stopped: not confirmed", why=question, fix=f"run it again and confirm, or pass `{flag}`")

    def ask(self, question: str, default: str = "") -> str:
        """Ask for a line of text on a terminal; without a terminal return `default`."""
        if not self.is_interactive or self._agreed:
            return default
        self._settle()
        shown = f" [{default}]" if default else ""
        return self._ask(f"{question}{shown}: ").strip() or default

    def findings(self, findings: Sequence[Finding]) -> None:
        """Print findings (errors and warnings) to standard error, and annotate them in GitHub Actions."""
        self._settle()
        for finding in findings:
            place = str(finding.at) if finding.at else ""
            self._write(self._err, self._block(finding.level, finding.what, finding.why, finding.fix, place))
            self._annotate(finding.level, finding.what, finding.why, finding.at)

    def error(self, error: DeployError) -> None:
        """Print an error; with `--json` also as the object on standard output."""
        self._settle()
        if isinstance(error, ConfigInvalid | Refused):
            self.findings(error.findings)
        if not isinstance(error, ConfigInvalid) and not _is_told_by_findings(error):
            why = error.why
            if error.request_id and error.request_id not in why:
                why = f"{why} (request {error.request_id})".strip()
            at = error.at
            self._write(self._err, self._block("error", error.what, why, error.fix, str(at) if at else ""))
            self._annotate("error", error.what, why, at if isinstance(at, Place) else None)
        if self.as_json and not self._answered:
            self._answered = True
            told = error.told if isinstance(error, Refused) else {}
            self._write_json({"format_version": FORMAT_VERSION, "error": _error_json(error), **told})

    def outputs(self, values: Mapping[str, str], summary: str = "") -> None:
        """Pass results to later steps of a GitHub Actions job, and write the summary of the step (Markdown)."""
        if target := self._environ.get("GITHUB_OUTPUT"):
            lines = [f"{key}={redact(value)}" for key, value in values.items() if "\n" not in value]
            self._append(target, "\n".join(lines))
        if summary and (target := self._environ.get("GITHUB_STEP_SUMMARY")):
            self._append(target, redact(summary))

    def close(self) -> None:
        """Remove the live line or table, if there is one."""
        self.redraw(None)
        self._settle()

    def _append(self, target: str, text: str) -> None:
        try:
            with Path(target).open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        except OSError as error:
            self.warn(f"cannot write {target}", why=str(error), fix="check the job's GITHUB_* variables")

    def _plain(self, text: str) -> None:
        if self.verbosity >= 0:
            self._write(self._err, text)

    def _done(self, key: str, label: str, detail: str) -> None:
        _, since = self._started.pop(key, (label, time.monotonic()))
        seconds = time.monotonic() - since
        took = f"{seconds:.1f} s" if seconds >= 0.1 else ""
        tail = " · ".join(part for part in (detail, took) if part)
        self._stop_live()
        mark = self._paint("✓", "32")
        self._plain(f"  {mark} {label}" + (self._paint(f"  {tail}", "2") if tail else ""))
        self._show_live()

    def _progress(self, key: str, done: int, total: int, detail: str) -> None:
        label = self._started.get(key, (key, 0.0))[0]
        count = f"{done}/{total}" if total else ""
        tail = " ".join(part for part in (count, detail) if part)
        if self.is_live:
            self._show_live(f"{label}  {tail}")
        else:
            self._plain(f"  … {label}  {tail}")

    def _api_call(self, call: ApiCall) -> None:
        if self.verbosity < 1:
            return
        again = f" (try {call.attempt})" if call.attempt > 1 else ""
        request = f"  {call.request_id}" if call.request_id else ""
        note = f"  {call.note}" if call.note else ""
        status = call.status or "no answer"
        line = (
            f"    {call.method:<6} {call.host}{call.path}  {status}  {call.milliseconds:.0f} ms{request}{again}{note}"
        )
        self._write(self._err, self._paint(line, "2"))

    def _show_live(self, text: str | None = None) -> None:
        if not self.is_live or not self._started:
            return
        shown = text or " · ".join(label for label, _ in self._started.values())
        if self._status is None:
            from rich.text import Text

            self._status = self._console().status(Text(make_harmless(redact(shown))), spinner="dots")
            self._status.start()
        else:
            from rich.text import Text

            self._status.update(Text(make_harmless(redact(shown))))

    def _console(self) -> Console:
        """Return the terminal for live output; its capabilities come from the environment of this object."""
        from rich.console import Console

        return Console(
            file=self._err,
            highlight=False,
            emoji=False,
            no_color=not self._has_colour(self._err),
            _environ=self._environ,
        )

    def _stop_live(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _settle(self) -> None:
        self._stop_live()
        self._started.clear()

    def _ask(self, prompt: str) -> str:
        self._err.write(make_harmless(redact(prompt)))
        self._err.flush()
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError:
            line = "\ufffd"  # an answer that confirms nothing
        if not line:
            raise DeployError("no answer", why="standard input ended", fix="answer the question, or pass `--yes`")
        return line

    def _block(self, level: str, what: str, why: str, fix: str, at: str) -> str:
        head = self._paint(f"{level}:", f"1;{_LEVEL_COLOUR.get(level, '31')}")
        lines = [f"{head} {what}"]
        lines += [_hang(f"  {label}", text) for label, text in (("why: ", why), ("fix: ", fix), ("at:  ", at)) if text]
        return "\n".join(lines)

    def _paint(self, text: str, code: str) -> str:
        return f"[{_OURS};{code}m{text}[{_OURS};0m" if self._has_colour(self._err) else text

    def _has_colour(self, stream: TextIO) -> bool:
        if self._colour is not None:
            return self._colour and not self._environ.get("NO_COLOR")
        return not self._environ.get("NO_COLOR") and stream.isatty() and self._environ.get("TERM") != "dumb"

    def _width(self, stream: TextIO) -> int:
        if not stream.isatty():
            return 200
        try:
            return max(60, os.get_terminal_size(stream.fileno()).columns)
        except (OSError, ValueError):
            return 100

    def _annotate(self, level: str, what: str, why: str, at: Place | None) -> None:
        if self._environ.get("GITHUB_ACTIONS") != "true":
            return
        fields = ""
        if at is not None:
            fields = f" file={_command_property(at.file)}" + (f",line={at.line}" if at.line else "")
            fields += f",col={at.column}" if at.column else ""
        message = what + (f": {why}" if why else "")
        self._put(self._err, make_harmless(redact(f"::{level}{fields}::{_command_value(message)}")))

    def _write_json(self, payload: Mapping[str, object]) -> None:
        is_utf8 = (self._out.encoding or "utf-8").lower().replace("-", "") == "utf8"
        text = json.dumps(redact_tree(payload), indent=2, ensure_ascii=not is_utf8, default=_refuse)
        self._put(self._out, escape_obeyed(text))

    def _write(self, stream: TextIO, text: str) -> None:
        self._put(stream, _OUR_COLOUR.sub("\x1b[\\1m", break_commands(make_harmless(redact(text)))))

    def _put(self, stream: TextIO, text: str) -> None:
        safe = text + "\n"
        try:
            stream.write(safe)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(safe.translate(_PLAIN).encode(encoding, "replace").decode(encoding))
        stream.flush()


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _hang(label: str, text: str) -> str:
    indent = " " * len(label)
    first, *rest = text.strip().split("\n")
    return "\n".join([f"{label}{first}", *(textwrap.indent(line, indent) for line in rest)])


def _command_value(text: str) -> str:
    # GitHub Actions: workflow commands escape these three in a message, and `:` and `,` too in a property.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command_property(text: str) -> str:
    return _command_value(text).replace(":", "%3A").replace(",", "%2C")


def _is_told_by_findings(error: DeployError) -> bool:
    return isinstance(error, Refused) and len(error.findings) == 1 and error.findings[0].what == error.what


def _error_json(error: DeployError) -> dict[str, object]:
    body: dict[str, object] = {
        "what": error.what,
        "why": error.why,
        "fix": error.fix,
        "at": str(error.at) if error.at else None,
        "request_id": error.request_id,
        "exit_code": int(error.exit_code),
    }
    if isinstance(error, ConfigInvalid | Refused):
        body["findings"] = [
            {
                "level": finding.level,
                "what": finding.what,
                "why": finding.why,
                "fix": finding.fix,
                "file": finding.at.file if finding.at else None,
                "line": finding.at.line if finding.at else None,
                "column": finding.at.column if finding.at else None,
            }
            for finding in error.findings
        ]
    return body


__all__ = ["FORMAT_VERSION", "ExitCode", "Ui"]
