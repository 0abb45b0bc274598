"""Renders the functions from a config and the templates.

The config goes into one settings module. The other files are the same for every config, except for the path under which
they find each other. A file in the user's `templates:` folder replaces the built-in one of the same name. No secret is
rendered: the settings have the name of the environment variable that holds it.
"""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ga_deploy.errors import ConfigInvalid, Finding, Place
from ga_deploy.model.bundle import MARKER, Bundle, FunctionFile, Visibility
from ga_deploy.plain_file import read_plain_text
from ga_deploy.render.fallback import render_fallback
from ga_deploy.render.javascript import to_literal
from ga_deploy.render.project import write_project
from ga_deploy.render.settings import read_settings
from ga_deploy.template_sandbox import render_apart, render_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.config.schema import Config

__all__ = ["built_in_templates", "render", "template_hashes", "template_root", "write_project"]

_FOLDER = "functions"
_SUFFIX = ".js.j2"
_PRIVATE = ".private"


def template_root() -> Path:
    """Return the folder of the built-in templates: inside the installed package, else beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_templates"
    return installed if installed.is_dir() else package.parent / "templates"


def built_in_templates() -> dict[str, Path]:
    """Return the templates of the functions by name relative to the templates folder, e.g. `functions/engage.js.j2`."""
    return _templates_in(template_root())


def template_hashes() -> dict[str, str]:
    """Return the SHA-256, in hex, of each built-in template by the names of `built_in_templates`.

    `init --templates` records them, so that `validate` can tell which built-in file has changed since it was copied.
    """
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in built_in_templates().items()}


def render(config: Config) -> Bundle:
    """Return the functions for `config`. Reads templates and hooks only.

    Raises `ConfigInvalid` with every unusable template, hook or setting, each with its place.
    """
    folder = config.functions.engage.path.rpartition("/")[0] + "/"
    settings = read_settings(config, folder)
    fingerprint = hashlib.sha256(to_literal(settings.content).encode()).hexdigest()[:8]
    names = {
        "lib": f"{folder}lib"[1:],
        "settings": to_literal({"fingerprint": fingerprint, **settings.content}),
    }
    findings = settings.findings
    sources = _choose_templates(config, findings)
    texts = [*_fill(sources, names, findings), *_read_hooks(config, findings)]
    functions: dict[str, FunctionFile] = {}
    origins: dict[str, str] = {}
    for name, source, text in texts:
        at = _address(config, name, folder)
        if at is None:
            continue
        path, visibility = at
        if path in functions:
            findings.append(_taken(config, path))
        functions[path] = FunctionFile(path, visibility, f"{MARKER} set={folder} file={name}\n{text}")
        origins[path] = str(source)
    if findings:
        raise ConfigInvalid(tuple(findings))
    return Bundle(
        functions=tuple(sorted(functions.values(), key=lambda one: one.path)),
        dependencies=dict(config.service.dependencies),
        variables=settings.variables,
        fingerprint=fingerprint,
        engage_path=config.functions.engage.path,
        sources=origins,
        assets=render_fallback(config, folder),
    )


def _templates_in(root: Path) -> dict[str, Path]:
    found = sorted((root / _FOLDER).rglob(f"*{_SUFFIX}"))
    return {path.relative_to(root).as_posix(): path for path in found}


def _choose_templates(config: Config, findings: list[Finding]) -> dict[str, Path]:
    built_in = built_in_templates()
    if config.templates is None:
        return built_in
    at = config.place("templates")
    if not config.templates.is_dir():
        fix = "run `ga-deploy init --templates`, or remove the key"
        findings.append(Finding(f"the folder {config.templates} does not exist", "`templates` points to it", fix, at))
        return built_in
    own = _templates_in(config.templates)
    for name in own:
        if name in built_in or (name.startswith(f"{_FOLDER}/lib/") and name.endswith(_PRIVATE + _SUFFIX)):
            continue
        near = get_close_matches(name, built_in, n=1)
        findings.append(
            Finding(
                f"the template {name} does not replace a built-in one",
                "a copy replaces the built-in file of its name; new files can only be private modules (functions/lib)",
                f"did you mean {near[0]}?" if near else "rename it, or move it out of the folder",
                Place(str(config.templates / name)),
            )
        )
    return built_in | own


def _fill(sources: dict[str, Path], names: dict[str, str], findings: list[Finding]) -> Iterator[tuple[str, Path, str]]:
    """Yield the name (`engage`, `lib/steps`), the origin and the text of every template that renders."""
    built_in = set(built_in_templates().values())
    texts = {path: text for path in sources.values() if (text := _read_template(path, findings)) is not None}
    # An unchanged copy ends like the built-in template, so it needs no time limit.
    known = {read_plain_text(path) for path in built_in}
    own = {str(path): text for path, text in texts.items() if path not in built_in and text not in known}
    apart = render_apart(own, names) if own else {}
    for template_name, path in sources.items():
        if path not in texts:
            continue
        is_apart = str(path) in own
        rendered = apart.get(str(path)) if is_apart else render_here(texts[path], str(path), names)
        if rendered is None:  # the time limit was used up by an earlier template, which has the finding
            continue
        if rendered.problem:
            findings.append(_broken(path, rendered.problem, rendered.line))
            continue
        name = template_name.removeprefix(f"{_FOLDER}/").removesuffix(_SUFFIX).removesuffix(_PRIVATE)
        yield name, path, rendered.text


def _read_template(path: Path, findings: list[Finding]) -> str | None:
    try:
        return read_plain_text(path)
    except (OSError, ValueError) as problem:
        reason = problem.strerror or str(problem) if isinstance(problem, OSError) else "it is not UTF-8"
        findings.append(Finding("a template cannot be read", reason, "make it a readable text file", Place(str(path))))
    return None


def _broken(path: Path, problem: str, line: int) -> Finding:
    return Finding(
        "a template cannot be rendered",
        problem,
        "templates know the names `lib` and `settings`; write `{{ '{{' }}` for two literal braces",
        Place(str(path), line),
    )


def _read_hooks(config: Config, findings: list[Finding]) -> Iterator[tuple[str, Path, str]]:
    for key in type(config.hooks).model_fields:
        path: Path | None = getattr(config.hooks, key)
        if path is None:
            continue
        try:
            yield f"hooks/{key.replace('_', '-')}", path, read_plain_text(path)
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
            at = config.place("hooks", key)
            findings.append(Finding("a hook cannot be read", f"{path}: {reason}", "correct the path or the file", at))


def _address(config: Config, name: str, folder: str) -> tuple[str, Visibility] | None:
    """Return the path and the visibility of the function made from the template `name`; None if it is not deployed."""
    entries = {
        "engage": config.functions.engage,
        "call-complete": config.functions.call_complete,
        "stream-status": config.functions.stream_status,
        "flow/engage": config.flow.engage,
        "flow/call-transfer": config.flow.call_transfer,
    }
    at = entries.get(name)
    if at is None:
        unused = name == "lib/hooks" and not (config.hooks.before_engage or config.hooks.after_call)
        return None if unused else (folder + name, "private")
    if name.startswith("flow/") and not config.flow.enabled:
        return None
    return at.path, at.visibility


def _taken(config: Config, path: str) -> Finding:
    return Finding(
        f"two functions would have the path {path}",
        "ga-deploy puts modules into lib/ and hooks/ beside engage",
        "choose another path",
        config.place("functions"),
    )
