"""Checks of paths: functions in the service, and files beside the config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.config.explain import dotted, locate, place_of
from ga_deploy.config.references import names_in
from ga_deploy.config.scalars import show
from ga_deploy.errors import Finding
from ga_deploy.yaml_tree.tree import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ga_deploy.config.schema import Language
    from ga_deploy.yaml_tree.tree import Keys, Section


def check_paths(language: Language, root: Section) -> Iterator[Finding]:
    """Yield each path that two functions share or that modules need, and each file that does not exist."""
    yield from _functions(language, root)
    yield from _files(language, root)


def _functions(language: Language, root: Section) -> Iterator[Finding]:
    functions = {
        ("functions", "engage"): language.functions.engage,
        ("functions", "call_complete"): language.functions.call_complete,
        ("functions", "stream_status"): language.functions.stream_status,
    }
    if language.flow.enabled:
        functions[("flow", "engage")] = language.flow.engage
        functions[("flow", "call_transfer")] = language.flow.call_transfer
    folder = language.functions.engage.path.rpartition("/")[0]
    private = (f"{folder}/lib/", f"{folder}/hooks/")
    taken: dict[str, Keys] = {}
    for keys, function in functions.items():
        place = place_of(root, (*keys, "path"))
        if function.path in taken:
            yield Finding(
                f"two functions have the path `{function.path}`",
                f"`{dotted(taken[function.path])}` and `{dotted(keys)}` use the same path",
                "change one of them",
                place,
            )
        taken.setdefault(function.path, keys)
        if function.path.startswith(private):
            yield Finding(
                f"`{function.path}` is in a folder of private modules",
                f"ga-deploy deploys its modules to `{private[0]}` and `{private[1]}`",
                "choose a path outside these folders",
                place,
            )


def _is_there(path: Path, *, folder: bool = False) -> bool:
    """Tell whether the file exists; False also for a name that is too long or a folder without permission."""
    try:
        return path.is_dir() if folder else path.is_file()
    except OSError:
        return False


def _files(language: Language, root: Section) -> Iterator[Finding]:
    correct = "correct the path (it is relative to the config)"
    for keys, path, folder, kind, fix in (
        (("hooks", "before_engage"), language.hooks.before_engage, False, "hook", "create it"),
        (("hooks", "after_call"), language.hooks.after_call, False, "hook", "create it"),
        (("flow", "base"), language.flow.base, False, "flow", "export it from the Console"),
        (
            ("templates",),
            language.templates,
            True,
            "templates folder",
            "run `ga-deploy init --templates`",
        ),
    ):
        if path is None or _is_there(path, folder=folder):
            continue
        node, _, _ = locate(root, keys)
        written = node.value if isinstance(node, Scalar) else None
        names = names_in(written)
        none = "no folder" if folder else "no file"
        # A path with references is shown as written, never resolved.
        yield Finding(
            f"the {kind} {show(written if names else path.name)} does not exist",
            f"{none} has that name" if names else f"{str(path)[:300]} is {none}",
            f"{fix}, or {correct}",
            place_of(root, keys),
        )
