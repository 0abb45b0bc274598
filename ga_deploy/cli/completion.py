"""The values that a shell completes: names in the config and the shipped scenarios. Reads files, sends nothing.

A completion that fails offers no values: whatever it printed would appear in the middle of the user's command line.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ga_deploy.yaml_tree.tree import Section


def complete_environment(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the environments of the config that begin with `incomplete`."""
    from ga_deploy.yaml_tree.tree import Scalar

    config = _read_config(ctx)
    if config is None:
        return []
    default = config.get("default_environment")
    name = default.value if isinstance(default, Scalar) else "ui"
    return _matching({*_keys(config, "environments"), str(name)}, incomplete)


def complete_profile(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the profiles of the config that begin with `incomplete`."""
    config = _read_config(ctx)
    return _matching(_keys(config, "profiles"), incomplete) if config else []


def complete_scenario(incomplete: str) -> list[str]:
    """Return the shipped scenarios that begin with `incomplete`, and the files and folders that do."""
    from ga_deploy.simulate.scenario.file import list_shipped

    names = {path.stem for path in list_shipped()}
    folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent)
    files = set()
    with suppress(OSError, ValueError):
        for path in folder.iterdir():
            if path.suffix in {".yaml", ".yml"}:
                files.add(str(path))
            elif path.is_dir():
                files.add(f"{path}/")
    return _matching(names | files, incomplete)


def _read_config(ctx: typer.Context) -> Section | None:
    """Return the config that the command line names, as far as it can be read."""
    from ga_deploy.yaml_tree.composer import read_tree

    file = Path(ctx.find_root().params.get("config") or "config.yaml")
    with suppress(Exception):  # nothing may be printed here
        tree, _ = read_tree(file, str(file))
        return tree
    return None


def _keys(config: Section, name: str) -> set[str]:
    section = config.get(name)
    return set(getattr(section, "entries", ()))


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
