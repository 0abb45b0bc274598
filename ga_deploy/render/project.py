"""The functions as a Serverless Toolkit project on disk: what `twilio-run` serves and deploys.

The folder is ours as long as every file that stands in its manifest is as it was written. A file that somebody changed
since is never overwritten: what was meant to last belongs into the `templates:` folder.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError
from ga_deploy.plain_file import read_plain_file, read_plain_text
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.model.bundle import Bundle

FLOW = "studio/flow.json"
MANIFEST = ".ga-deploy.json"
# A project is installed in full, so it says which `twilio` it was tested with. Deployed builds get the platform's own.
TWILIO = "5.13.1"
TWILIO_RUN = "5.0.1"

_README = """# Functions rendered by ga-deploy

`ga-deploy render` wrote these files out of a config; the next `render` writes them again, so change the config or its
`templates:` folder rather than them.

    npm install
    cp .env.example .env      # and fill it in
    npx twilio-run start

`twilio-run start` serves protected functions without asking for Twilio's signature, and private ones too: it is for
trying things out on your own machine.

`studio/flow.json`, if it is there, is the Studio flow: put your deployment's domain in the place of `DOMAIN_NAME`, and
import it in the Console (new flow, Import from JSON).
"""
_IGNORED = "node_modules/\n.env\n.twiliodeployinfo\n"


def write_project(
    bundle: Bundle,
    out: Path,
    *,
    name: str = "ga-deploy-functions",
    runtime: str | None = None,
    flow: str | None = None,
) -> tuple[str, ...]:
    """Write `bundle` to the folder `out`, made if need be, and return the paths of all files relative to it, sorted.

    `runtime` is Twilio's name of the Node version, e.g. `node22`; `flow` the definition of a Studio flow, as JSON,
    which is put beside the functions. No file holds a secret. Raises `DeployError` when
    `out` holds anything else than an earlier, unchanged output; nothing is written then.
    """
    files = _project_files(bundle, name, runtime or "node22")
    if flow is not None:
        files[FLOW] = flow.encode()
    before = _read_manifest(out)
    try:
        for stale in before.keys() - files.keys():
            (out / stale).unlink(missing_ok=True)
        for path, content in files.items():
            target = out / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        hashes = {path: _digest(content) for path, content in sorted(files.items())}
        manifest = json.dumps({"format_version": 1, "files": hashes}, indent=2) + "\n"
        (out / MANIFEST).write_text(manifest, encoding="utf-8")
    except OSError as problem:
        raise DeployError(
            f"{out} cannot be written",
            why=f"{problem.filename or out}: {problem.strerror}",
            fix="choose another folder with `--out`",
        ) from problem
    return tuple(sorted(files))


def _project_files(bundle: Bundle, name: str, runtime: str) -> dict[str, bytes]:
    package = {
        "name": name,
        "version": "0.0.0",
        "private": True,
        "scripts": {"start": "twilio-run start", "deploy": "twilio-run deploy"},
        "dependencies": dict(sorted({"twilio": TWILIO, **bundle.dependencies}.items())),
        "devDependencies": {"twilio-run": TWILIO_RUN},
        "engines": {"node": runtime.removeprefix("node")},
    }
    texts = {
        "package.json": json.dumps(package, indent=2) + "\n",
        ".env.example": _env_example(bundle),
        ".gitignore": _IGNORED,
        "README.md": _README,
        **{function.file_name: function.content for function in bundle.functions},
        **{asset.file_name: asset.content for asset in bundle.assets},
    }
    return {path: text.encode() for path, text in texts.items()}


def _env_example(bundle: Bundle) -> str:
    head = "# Copy to .env. ACCOUNT_SID and AUTH_TOKEN are only needed by code that uses Twilio's API."
    shown = {name: "" if isinstance(value, Secret) else json.dumps(value) for name, value in bundle.variables.items()}
    names = ["ACCOUNT_SID", "AUTH_TOKEN", *sorted(shown)]
    return "\n".join([head, *(f"{name}={shown.get(name, '')}" for name in names)]) + "\n"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_manifest(out: Path) -> dict[str, str]:
    """Return the files of an earlier output and their hashes; raises `DeployError` when `out` is not ours to write."""
    if not out.exists():
        return {}
    if not out.is_dir():
        raise DeployError(f"{out} is not a folder", why="a project is a folder of files", fix="choose another `--out`")
    if not any(out.iterdir()):
        return {}
    try:
        files = json.loads(read_plain_text(out / MANIFEST))["files"]
        before = {str(path): str(digest) for path, digest in files.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise DeployError(
            f"{out} is not empty",
            why="it was not written by `ga-deploy render`, and nothing is overwritten",
            fix="choose a new folder with `--out`",
        ) from None
    outside = [path for path in before if out.resolve() not in (out / path).resolve().parents]
    changed = [path for path, digest in before.items() if path not in outside and _is_changed(out / path, digest)]
    if outside or changed:
        raise DeployError(
            f"files in {out} were changed since they were rendered",
            why=", ".join(sorted(outside + changed)[:5]),
            fix="move the changes into the `templates:` folder of the config, then choose another `--out`",
        )
    return before


def _is_changed(path: Path, digest: str) -> bool:
    try:
        return _digest(read_plain_file(path)) != digest
    except FileNotFoundError:
        return False
    except OSError:
        return True
