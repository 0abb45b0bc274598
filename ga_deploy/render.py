"""Config and templates in, the functions as they will be deployed out.

All that the config says goes into one settings module; the other files are the same for every config but for the
path under which they find each other. A file in the user's `templates:` folder wins over the built-in one of the same
name. No secret is ever rendered: settings name the environment variable that holds it.
"""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError

from ga_deploy.errors import ConfigInvalid, Finding, Place
from ga_deploy.javascript import to_literal
from ga_deploy.model import MARKER, Bundle, FunctionFile, Visibility
from ga_deploy.settings import read_settings

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config

ENTRY_POINTS = ("engage", "call-complete", "stream-status", "flow/engage", "flow/call-transfer")
_HOOKS = {"before_engage": "before-engage", "after_call": "after-call"}


def template_root() -> Path:
    """Return the folder of the built-in templates: inside the installed package, else beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "_templates"
    return installed if installed.is_dir() else package.parent / "templates"


def built_in_templates() -> dict[str, Path]:
    """Return the templates of the functions by name relative to the templates folder, e.g. `functions/engage.js.j2`."""
    root = template_root()
    return {path.relative_to(root).as_posix(): path for path in sorted((root / "functions").rglob("*.js.j2"))}


def template_hashes() -> dict[str, str]:
    """Return the SHA-256, in hex, of each built-in template by the names of `built_in_templates`.

    `init --templates` records them, so that `validate` can tell which built-in file has changed since it was copied.
    """
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in built_in_templates().items()}


def render(config: Config) -> Bundle:
    """Return the functions that `config` asks for, without touching the network or the disk's state.

    Raises `ConfigInvalid` with every template or hook that cannot be used, each with its file and line.
    """
    folder = config.functions.engage.path.rpartition("/")[0] + "/"
    settings = read_settings(config, folder)
    fingerprint = hashlib.sha256(to_literal(settings.content).encode()).hexdigest()[:8]
    names = {
        "lib": f"{folder}lib"[1:],
        "settings": to_literal({"fingerprint": fingerprint, **settings.content}),
    }
    sources, findings = _find_templates(config)
    functions, origins = [], {}
    for name, source in sources.items():
        at = _address(config, name, folder)
        if at is None:
            continue
        path, visibility = at
        try:
            text = _fill(source, names)
        except ConfigInvalid as problem:
            findings += problem.findings
            continue
        functions.append(FunctionFile(path, visibility, f"{MARKER} set={folder} file={name}\n{text}"))
        origins[path] = str(source)
    for name, path, hook in _read_hooks(config, folder, findings):
        functions.append(FunctionFile(path, "private", f"{MARKER} set={folder} file={name}\n{hook}"))
        origins[path] = name
    if findings:
        raise ConfigInvalid(tuple(findings))
    return Bundle(
        functions=tuple(sorted(functions, key=lambda one: one.path)),
        dependencies=dict(config.service.dependencies),
        variables=settings.variables,
        fingerprint=fingerprint,
        engage_path=config.functions.engage.path,
        sources=origins,
    )
