"""The house's import rules, held over every module of the package.

Imports run one way (docs/adr/0001): cli, commands, engine, model, with the gateway as the only door to Twilio's SDK and
`ui` as the only printer; what stands in for Twilio and ASAPP shares no code with the client.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "ga_deploy"
MODULES = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py"))

# layer -> what it may import of the project. A module not named here belongs to the layer of its package.
MAY_IMPORT = {
    "errors": set(),
    "redact": {"spellings"},
    "spellings": set(),
    "strict_json": set(),
    "advisory_lock": set(),
    "child_environment": set(),
    "loopback_server": set(),
    "folders": {"advisory_lock"},
    "streams": {"errors"},
    "events": set(),
    "twilio_rules": set(),
    "model": {"redact", "errors"},
    "ui": {"errors", "events", "redact"},
    "config": {"errors", "redact", "model", "twilio_rules"},
    "studio": {"config", "errors", "model", "redact"},
    "render": {"config", "errors", "model", "redact", "studio"},
    "lint": {"child_environment", "errors", "model", "redact"},
    "gateway": {"errors", "events", "model", "redact"},
    "engine": {"advisory_lock", "config", "errors", "events", "gateway", "lint", "model", "redact", "render", "studio"},
    "emulator": {
        *("advisory_lock", "asapp_mock", "child_environment", "errors", "folders", "loopback_server", "redact"),
        "strict_json",
    },
    "g711": set(),
    "asapp_mock": {"errors", "g711", "redact", "loopback_server", "strict_json"},
    "simulate": {"errors", "g711", "redact", "twilio_rules"},
    "local": {"advisory_lock", "asapp_mock", "config", "emulator", "errors", "folders", "redact"},
}


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
    if allowed is None:  # cli, commands, __main__, __init__: the top, which may see everything
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


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_ui_prints(module: Path) -> None:
    if layer(module) == "ui":
        return
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{module}:{node.lineno} prints"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_long_module_says_why(module: Path) -> None:
    text = (PACKAGE.parent / module).read_text(encoding="utf-8")
    if text.count("\n") > 300:
        head = ast.get_docstring(ast.parse(text)) or ""
        assert "long" in head.lower(), f"{module} is past 300 lines and its docstring does not say why"
