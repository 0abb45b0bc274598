"""The user's copies of the function templates, and a check whether the built-in ones have changed since."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ga_deploy.errors import Finding, Place
from ga_deploy.plain_file import read_plain_file, read_plain_text
from ga_deploy.render import built_in_templates, template_hashes

if TYPE_CHECKING:
    from pathlib import Path

# A file in the templates folder, committed with it: it has the hash of the built-in file of each copy.
LOCK = ".built-in.json"


def copies() -> dict[str, str]:
    """Return the files of a templates folder by name: every built-in template, and the lock."""
    files = {name: path.read_text(encoding="utf-8") for name, path in built_in_templates().items()}
    lock = {"format_version": 1, "copied_from": dict(sorted(template_hashes().items()))}
    return {**files, LOCK: json.dumps(lock, indent=2) + "\n"}


def check_own_templates(folder: Path) -> list[Finding]:
    """Return a warning for each copy whose built-in template has changed; empty for a folder without the lock file."""
    copied, problem = _read_lock(folder / LOCK)
    findings = [problem] if problem else []
    now = template_hashes()
    for name, before in sorted(copied.items()):
        copy = folder / name
        if not copy.is_file() or now.get(name) == before:
            continue
        place = Place(str(copy))
        if name not in now:
            what, fix = f"the built-in template `{name}` is gone", "move what you changed to where it is done now"
        elif _is_unchanged(copy, before):
            what, fix = f"`{name}` is an old built-in template", "remove your copy, which you never changed"
        else:
            what = f"the built-in template `{name}` has changed since you copied it"
            fix = "run `ga-deploy init --templates NEW-FOLDER`, compare, and take over what you need"
        findings.append(Finding(what, "your copy wins over it, without its corrections", fix, place, "warning"))
    return findings


def _is_unchanged(copy: Path, before: str) -> bool:
    try:
        return hashlib.sha256(read_plain_file(copy)).hexdigest() == before
    except OSError:
        return False


def _read_lock(path: Path) -> tuple[dict[str, str], Finding | None]:
    try:
        lock = json.loads(read_plain_text(path))
        copied = lock["copied_from"]
        return {str(name): str(digest) for name, digest in copied.items()}, None
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}, Finding(
            f"`{path.name}` cannot be read",
            "so it is unknown whether built-in templates have changed since they were copied",
            "take it from the version control, or remove it",
            Place(str(path)),
            "warning",
        )
