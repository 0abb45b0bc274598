"""The house's rules, held over every module: imports, printing, lengths.

Imports run one way (docs/adr/0001): cli, commands, engine, model, with the gateway as the only door to Twilio's SDK and
`ui` as the only printer; what stands in for Twilio and ASAPP shares no code with the client.
Longer than most, because it is the one list of rules, with the list of what was there before them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ga_deploy"
MODULES = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py"))
FILES = sorted(
    path.relative_to(ROOT)
    for top in ("ga_deploy", "tests", "benchmarks", "scripts")
    for path in (ROOT / top).rglob("*.py")
)

# layer -> what it may import of the project. A module not named here belongs to the layer of its package.
MAY_IMPORT = {
    "errors": set(),
    "installation": set(),
    "redact": {"spellings"},
    "spellings": set(),
    "plain_file": set(),
    "harmless": set(),
    "template_sandbox": {"child_environment"},
    "strict_json": set(),
    "advisory_lock": set(),
    "child_environment": set(),
    "loopback_server": set(),
    "folders": {"advisory_lock"},
    "streams": {"errors"},
    "events": set(),
    "numbering_plan": set(),
    "twilio_rules": set(),
    "model": {"redact", "errors"},
    "ui": {"errors", "events", "harmless", "redact"},
    "yaml_tree": {"errors", "plain_file"},
    "config": {"errors", "numbering_plan", "redact", "model", "plain_file", "twilio_rules", "yaml_tree"},
    "studio": {"config", "errors", "model", "plain_file", "redact"},
    "render": {"config", "errors", "model", "plain_file", "redact", "studio", "template_sandbox", "twilio_rules"},
    "lint": {"installation", "child_environment", "errors", "model", "redact"},
    "gateway": {"errors", "events", "model", "redact"},
    "engine": {
        *("advisory_lock", "config", "errors", "events", "folders", "gateway", "lint", "model", "redact", "render"),
        *("studio", "twilio_rules"),
    },
    "emulator": {
        "installation",
        *("advisory_lock", "asapp_mock", "child_environment", "errors", "folders", "loopback_server", "redact"),
        "strict_json",
    },
    "g711": set(),
    "asapp_mock": {"errors", "g711", "redact", "loopback_server", "strict_json"},
    "simulate": {"errors", "g711", "plain_file", "redact", "twilio_rules", "yaml_tree"},
    "harness": {
        "asapp_mock",
        "config",
        "emulator",
        "errors",
        "local",
        "loopback_server",
        "model",
        "redact",
        "render",
        "simulate",
        "studio",
    },
    "output": {
        "config",
        "engine",
        "errors",
        "events",
        "harness",
        "invocation",
        "model",
        "redact",
        "render",
        "simulate",
        "ui",
    },
    "invocation": {
        "config",
        "engine",
        "errors",
        "gateway",
        "lint",
        "local",
        "model",
        "numbering_plan",
        "plain_file",
        "render",
        "twilio_rules",
        "ui",
    },
    "local_stack": {"config", "emulator", "errors", "redact"},
    "local": {"installation", "advisory_lock", "asapp_mock", "emulator", "errors", "folders", "local_stack"},
}

# The top, which may see everything.
TOP = {"__init__", "__main__", "cli", "commands"}

# What a module may import by its name, where not everybody has it.
IMPORTED_BY_NAME = {"fcntl", "msvcrt", "sounddevice"}


def layer(module: Path) -> str:
    name = module.parts[1]
    return name.removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            yield module
            if module == "ga_deploy":
                yield from (f"ga_deploy.{alias.name}" for alias in node.names)


def parsed(module: Path) -> ast.Module:
    return ast.parse((PACKAGE.parent / module).read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_run_one_way(module: Path) -> None:
    mine = layer(module)
    allowed = MAY_IMPORT.get(mine)
    if allowed is None:
        assert mine in TOP
        return
    for name in imported(parsed(module)):
        parts = name.split(".")
        if parts[0] != "ga_deploy" or len(parts) == 1:
            continue
        other = parts[1]
        assert other == mine or other in allowed or other == "__version__", f"{module} must not import {name}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_the_gateway_knows_the_sdk(module: Path) -> None:
    if layer(module) != "gateway":
        assert not [name for name in imported(parsed(module)) if name.split(".")[0] == "twilio"]


# Who else may name a standard stream, and what for.
NAMES_STREAMS = {
    "ga_deploy/__main__.py": "`--version` answers before anything is loaded",
    "ga_deploy/cli/run.py": "the last words of a run whose printer is not there, or is what failed",
    "ga_deploy/streams.py": "it keeps a closed stream from ending a run",
    "ga_deploy/commands/up.py": "it tells `ui` for which stream a plan is drawn",
    "ga_deploy/template_sandbox.py": "the child process answers its parent there, not a user",
    "scripts/config_reference.py": "a script of the documentation, not a command",
}
_STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
_PRINTERS = {"print", "pprint", "pp", "echo", "secho", "print_exc", "print_exception", "print_stack", "basicConfig"}
_BUILT_IN = {"print", "input", "breakpoint"}
_DEVICES = {"/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/fd/1", "/dev/fd/2", "CONOUT$"}


def find_prints(tree: ast.AST) -> Iterator[tuple[int, bool]]:
    """Yield the line of everything that could write to the terminal, and whether it is only the name of a stream."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name in _BUILT_IN:
                yield node.lineno, False
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in _STREAMS:
                yield node.lineno, True
            case ast.Attribute(value=ast.Name(id="os"), attr="write" | "writev"):
                yield node.lineno, False
            case ast.Attribute(value=ast.Name(id="logging"), attr=name) if name != "getLogger":
                yield node.lineno, False
            case ast.Attribute(attr=name) if name in _PRINTERS:
                yield node.lineno, False
            case ast.ImportFrom(module=module, names=names):
                taken = {alias.name for alias in names}
                if module == "sys" and taken & {*_STREAMS, "*"}:
                    yield node.lineno, True
                elif taken & _PRINTERS or (module == "os" and "write" in taken) or "Console" in taken:
                    yield node.lineno, False
            case ast.Constant(value=str(text)) if text in _DEVICES:
                yield node.lineno, False


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_ui_prints(module: Path) -> None:
    if layer(module) == "ui":
        return
    found = list(find_prints(parsed(module)))
    assert not [line for line, is_name in found if not is_name], f"{module} prints at these lines"
    named = [line for line, is_name in found if is_name]
    assert bool(named) == (module.as_posix() in NAMES_STREAMS), f"{module} names a standard stream: {named}"


@pytest.mark.parametrize(
    "code",
    [
        "print('x')",
        "show = print",
        "builtins.print('x')",
        "input('name? ')",
        "sys.stdout.write('x')",
        "print_to = sys.__stderr__",
        "from sys import stdout as out",
        "os.write(1, b'x')",
        "from os import write",
        "typer.echo('x')",
        "from click import secho",
        "from rich import print as show",
        "from rich.console import Console",
        "console.print('x')",
        "traceback.print_exc()",
        "pprint.pprint({})",
        "logging.warning('x')",
        "open('/dev/stderr', 'w')",
    ],
)
def test_every_way_to_print_is_seen(code: str) -> None:
    assert list(find_prints(ast.parse(code)))


def test_what_is_no_printing_is_none() -> None:
    harmless = (
        "process.stdout.read(); file.write('x'); from os import path; log = logging.getLogger('x'); blueprint = 1"
    )
    assert not list(find_prints(ast.parse(harmless)))


def test_every_module_has_a_layer_and_every_layer_a_module() -> None:
    """A module that no rule names could import what it likes."""
    there = {layer(module) for module in MODULES}
    assert there == MAY_IMPORT.keys() | TOP


def test_an_import_by_name_is_one_of_something_foreign() -> None:
    """What is imported by a text, no rule here could see."""
    for module in MODULES:
        for node in ast.walk(parsed(module)):
            match node:
                case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__")):
                    [name] = node.args
                    is_known = isinstance(name, ast.Constant) and name.value in IMPORTED_BY_NAME
                    assert is_known, f"{module}:{node.lineno} imports what cannot be told here"


# Past these, a file or a function says why it is long, where its docstring is: a sentence that begins with "Long" and
# goes on with the reason. Past the others, none may be.
LONG_FILE, LONG_FUNCTION = 300, 40
LONGEST_FILE, LONGEST_FUNCTION = 450, 60
_REASON = re.compile(
    r"(?:^|[.:]\s+)Long(?:er)?\b[^.]*?(?:\bbecause\b|\bbeing\b|\bfor\b|\bsince\b|:)\s+\w+", re.MULTILINE
)

# What was there before this rule. An entry goes when what it names has become short enough or says why; none comes.
LONG_ALREADY = frozenset(
    [
        "ga_deploy/commands/emulator.py::run",
        "ga_deploy/commands/init.py::_compose",
        "ga_deploy/invocation/phone_number_args.py::_read_row",
        "ga_deploy/invocation/phone_number_args.py::read_number_file",
        "ga_deploy/commands/status.py::_draw",
        "ga_deploy/commands/status.py::_to_json",
        "ga_deploy/emulator/serverless/versions.py::_register_containers",
        "ga_deploy/emulator/functions/worker.py::launch",
        "ga_deploy/gateway/builds.py::create_build",
        "ga_deploy/gateway/failures.py::classify",
        "tests/contract/openapi.py",
        "tests/contract/test_sdk.py",
        "tests/emulated/emulator/test_histories.py",
        "tests/emulated/emulator/test_rules.py",
        "tests/emulated/gateway/test_answers.py",
        "tests/emulated/test_asapp_mock.py",
        "tests/emulated/test_deploying.py",
        "tests/emulated/test_flow.py",
        "tests/emulated/test_media_client.py",
        "tests/emulated/test_media_client.py::test_every_message_is_what_another_reading_of_the_protocol_sends",
        "tests/emulated/test_report.py::make_verdicts",
        "tests/emulated/test_runtime.py",
        "tests/functions/conftest.py",
        "tests/functions/conftest.py::__init__",
        "tests/functions/conftest.py::base_config",
        "tests/functions/test_call_complete.py",
        "tests/functions/test_engage.py",
        "tests/functions/test_render.py",
        "tests/plans/test_applying.py",
        "tests/plans/test_plans.py::read_observed",
        "tests/unit/config/test_load.py",
        "tests/unit/numbers/test_bindings.py",
        "tests/unit/simulate/test_call.py",
        "tests/unit/simulate/test_judge.py",
        "tests/unit/test_studio_build.py",
        "tests/unit/test_studio_build.py::test_steps_that_studio_knows_are_its_own_widgets",
        "tests/unit/test_studio_execution.py",
    ]
)


def find_long(file: Path) -> Iterator[str]:
    """Yield what breaks the rule of lengths: `path` for the file, `path::function` for functions in it."""
    text = (ROOT / file).read_text(encoding="utf-8")
    tree = ast.parse(text)
    if is_too_long(text.count("\n"), ast.get_docstring(tree), LONG_FILE, LONGEST_FILE):
        yield file.as_posix()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if is_too_long(lines, ast.get_docstring(node), LONG_FUNCTION, LONGEST_FUNCTION):
                yield f"{file.as_posix()}::{node.name}"


def is_too_long(lines: int, docstring: str | None, least: int, most: int) -> bool:
    return lines > most or (lines > least and not _REASON.search(docstring or ""))


def test_what_is_long_says_why_and_nothing_is_longer() -> None:
    long = {name for file in FILES for name in find_long(file)}
    assert not long - LONG_ALREADY, (
        f"more than {LONG_FILE} lines ({LONG_FUNCTION} of a function) need a sentence in the docstring that begins "
        f"with `Long` and says why; more than {LONGEST_FILE} ({LONGEST_FUNCTION}) are too many"
    )
    assert not LONG_ALREADY - long, "no longer too long: take them off the list"


def test_nine_files_of_ten_are_short() -> None:
    """What is longer is the exception, and says why."""
    lines = sorted((PACKAGE.parent / module).read_text(encoding="utf-8").count("\n") for module in MODULES)
    assert lines[len(lines) * 9 // 10] < LONG_FILE


@pytest.mark.parametrize(
    ("docstring", "is_reason"),
    [
        ("A list.\n\nLonger than most modules, being a list of checks.", True),
        ("One page. Long because the order is the point.", True),
        ("Everything.\nLonger than most on purpose: it is one table.", True),
        ("A call, judged: how long it all took.", False),
        ("Long.", False),
        ("Files that are no longer needed.", False),
        ("A look along the way: what was found.", False),
        (None, False),
    ],
)
def test_a_word_that_contains_long_is_no_reason(docstring: str | None, is_reason: bool) -> None:
    assert is_too_long(LONG_FILE + 1, docstring, LONG_FILE, LONGEST_FILE) is not is_reason
    assert not is_too_long(LONG_FILE, docstring, LONG_FILE, LONGEST_FILE)
    assert is_too_long(LONGEST_FILE + 1, docstring, LONG_FILE, LONGEST_FILE)
