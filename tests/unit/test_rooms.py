"""The rooms of the house: no circle among modules or rooms, and in `commands/` nothing but commands."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from tests.unit.test_import_rules import MODULES, ROOT, parsed


def name_module(path: Path) -> str:
    """Return the dotted name of a module, that of the package for its `__init__`."""
    name = ".".join(path.with_suffix("").parts)
    return name.removesuffix(".__init__")


NAMED = {name_module(path): path for path in MODULES}
PACKAGES = {name.rpartition(".")[0] for name, path in NAMED.items() if path.name == "__init__.py"}


def find_room(module: str) -> str:
    """Return the room of a module: its package, or the module itself where the package has packages inside it."""
    is_package = NAMED[module].name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    return package if package not in PACKAGES else f"{module}.__init__" if is_package else module


def find_uses(module: str) -> Iterator[str]:
    """Yield the modules of the project that a module imports, inside functions and for type checkers included."""
    for node in ast.walk(parsed(NAMED[module])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in NAMED)
        elif isinstance(node, ast.ImportFrom) and node.module in NAMED:
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in NAMED else node.module for name in inner)


def find_circle(uses: Mapping[str, Collection[str]]) -> list[str]:
    """Return one chain of imports that ends where it began; empty if there is none."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(uses.get(name, ())):
            if circle := walk(other, [*way, name]):
                return circle
        done.add(name)
        return []

    return next((circle for name in sorted(uses) if (circle := walk(name, []))), [])


def test_no_module_and_no_room_is_part_of_a_circle() -> None:
    """A circle cannot be understood, tested or moved in parts; that Python only meets it at type checks is no help."""
    modules = {name: set(find_uses(name)) - {name} for name in NAMED}
    assert find_circle(modules) == []
    rooms: dict[str, set[str]] = {}
    for name, used in modules.items():
        room = find_room(name)
        rooms.setdefault(room, set()).update({find_room(other) for other in used} - {room})
    assert find_circle(rooms) == []


def test_a_circle_is_found() -> None:
    assert find_circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}}) == []
    assert find_room("ga_deploy.emulator.server") == "ga_deploy.emulator.server", "its package has packages in it"
    assert (
        find_room("ga_deploy.emulator.sync.maps") == find_room("ga_deploy.emulator.sync") == "ga_deploy.emulator.sync"
    )
    assert "ga_deploy.emulator.core.backend" in set(find_uses("ga_deploy.emulator.sync.maps"))


def test_commands_holds_commands_alone() -> None:
    """One file a command or group of commands, as `--help` lists them (tests/unit/test_cli.py holds that text)."""
    text = (ROOT / "tests" / "golden" / "help.txt").read_text(encoding="utf-8")
    listed = re.findall(r"^  ([a-z][a-z-]*)  ", text.split("Commands:")[1], re.MULTILINE)
    commands = {name.replace("-", "_") for name in listed}
    assert {path.parts for path in MODULES if path.parts[1:2] == ("commands",)} == {
        ("ga_deploy", "commands", f"{name}.py") for name in {*commands, "__init__"}
    }
