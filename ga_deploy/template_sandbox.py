"""Templates rendered so that none can do harm: nothing of Python is in reach, and a user's own cannot hang a command.

Built-in templates render in this process. A user's own ones render in a child process with a limit of time and of
memory: a loop without an end, a recursion or a text of gigabytes is an error that names the template.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from jinja2 import StrictUndefined, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ga_deploy.child_environment import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 5.0
_OUT_OF_TIME = f"it has not ended within {SECONDS:.0f} s"
MEMORY_MB = 512
# A function of Twilio's has 1 MB at most.
LARGEST_TEXT = 4 * 1024 * 1024
# Beyond the child's own alarm, which knows the line: for work that Python itself cannot interrupt.
_GRACE_SECONDS = 1.0
# A Python that was built against libraries of its own does not start without them.
_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from ga_deploy.template_sandbox import serve; serve()"


@dataclass(frozen=True)
class Rendered:
    """What became of one template: its text, or why there is none and at which line (0: unknown)."""

    text: str = ""
    problem: str = ""
    line: int = 0


class _OutOfTimeError(Exception):
    """The time for all templates is over."""


def render_here(source: str, name: str, values: Mapping[str, str]) -> Rendered:
    """Render one template in this process: for those that are known to end."""
    jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    try:
        code = jinja.compile(source, filename=name)
        text = jinja.template_class.from_code(jinja, code, jinja.make_globals(None)).render(values)
        if len(text) > LARGEST_TEXT:
            return Rendered(problem=f"it renders to more than {LARGEST_TEXT // 1024 // 1024} MB")
    except Exception as problem:  # noqa: BLE001 - a template may raise anything
        return Rendered(problem=_explain(problem), line=_find_line(problem, name))
    return Rendered(text)


def render_apart(sources: Mapping[str, str], values: Mapping[str, str]) -> dict[str, Rendered]:
    """Render templates, sources by name, in a child process; all of them together have `SECONDS`.

    Once one has used up the time, or ended the process, those after it are not in the result.
    """
    request = json.dumps({"sources": dict(sources), "values": dict(values), "seconds": SECONDS})
    command = [sys.executable, "-I", "-S", "-c", _CHILD, *filter(None, sys.path), *_own_path()]
    how = _OUT_OF_TIME
    try:
        done = subprocess.run(
            command,
            input=request.encode(),
            capture_output=True,
            env=clean_environment(_LIBRARIES),
            timeout=SECONDS + _GRACE_SECONDS,
            check=False,
        )
        output = done.stdout
        if done.returncode:
            how = f"its process ended with {done.returncode} (it may use {MEMORY_MB} MB of memory)"
    except subprocess.TimeoutExpired as problem:
        output = problem.stdout or b""
    rendered = {}
    for name, line in zip(sources, output.split(b"\n")[:-1], strict=False):
        rendered[name] = Rendered(**json.loads(line))
    missing = [name for name in sources if name not in rendered]
    if missing and not any(one.problem == _OUT_OF_TIME for one in rendered.values()):
        rendered[missing[0]] = Rendered(problem=how)
    return rendered


def _own_path() -> list[str]:
    """Return where this package is: a script's folder stands in the path as an empty text, or not at all."""
    return [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]  # noqa: PTH100, PTH120 - start-up of a child


def serve() -> None:
    """Be the child: render what standard input asks for, a line of JSON on standard output for each template."""
    request = json.loads(sys.stdin.buffer.read())
    _limit(request["seconds"])
    for name, source in request["sources"].items():
        try:
            rendered = render_here(source, name, request["values"])
        except _OutOfTimeError:  # between two steps of ours
            rendered = Rendered(problem=_explain(_OutOfTimeError()))
        fields = {"text": rendered.text, "problem": rendered.problem, "line": rendered.line}
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()
        if rendered.problem == _OUT_OF_TIME:
            return


def _limit(seconds: float) -> None:
    with suppress(ImportError, ValueError, OSError):  # not on every platform
        import resource

        size = MEMORY_MB * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _give_up(*_: object) -> NoReturn:
    raise _OutOfTimeError


def _explain(problem: Exception) -> str:
    if isinstance(problem, _OutOfTimeError):
        return _OUT_OF_TIME
    if isinstance(problem, MemoryError):
        return f"it needs more than {MEMORY_MB} MB of memory"
    if isinstance(problem, RecursionError):
        return "it calls itself without an end, or is nested too deeply"
    return str(problem)[:1000] or type(problem).__name__


def _find_line(problem: Exception, name: str) -> int:
    line = problem.lineno if isinstance(problem, TemplateSyntaxError) else 0
    trace = problem.__traceback__
    while trace:  # the innermost: a macro is called from further out
        if trace.tb_frame.f_code.co_filename == name and not isinstance(problem, TemplateSyntaxError):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
