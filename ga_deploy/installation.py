"""Where this installation of ga-deploy came from, so that advice and workflows install the same one again.

Nobody has registered the name `ga-deploy` on the package index yet. A command that installs by name alone would run
whatever somebody registers one day, in a job that holds secrets. So the name is used only where pip took it from there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from ga_deploy import __version__

Origin = Literal["index", "git", "wheel", "folder", "unknown"]

NAME = "ga-deploy"


@dataclass(frozen=True)
class Installation:
    """The origin of an installation, as pip wrote it down (PEP 610: `direct_url.json`).

    `place` is the URL with its commit for `git`, the path of the file for `wheel`, the path for `folder`, else empty.
    `sha256` is the hash of a wheel where pip recorded it.
    """

    origin: Origin
    place: str = ""
    sha256: str = ""

    def requirement(self, extra: str = "") -> str | None:
        """Return what `pip install` takes to install this version again, with `extra`; None where it is not known."""
        name = f"{NAME}[{extra}]" if extra else NAME
        if self.origin == "index":
            return f"{name}=={__version__}"
        if self.origin == "git":
            return f"{name} @ {self.place}"
        if self.origin in {"wheel", "folder"}:
            return f"{name} @ {Path(self.place).as_uri()}"
        return None

    def command(self, extra: str) -> str:
        """Return the `pip` command that adds `extra` to this installation."""
        wanted = self.requirement(extra)
        if wanted is None:
            return f"pip install with the extra `{extra}`, from where you got ga-deploy"
        return f"pip install '{wanted}'"


@cache
def find_installation() -> Installation:
    """Return where the running ga-deploy was installed from. Sends nothing; reads one small file."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        recorded = distribution(NAME).read_text("direct_url.json")
    except (PackageNotFoundError, OSError, UnicodeDecodeError):
        return Installation("unknown")
    return Installation("index") if recorded is None else read_direct_url(recorded)


def read_direct_url(recorded: str) -> Installation:
    """Return what a `direct_url.json` says (PEP 610); `unknown` for what cannot be read or holds a password."""
    try:
        told = json.loads(recorded)
        url = str(told["url"])
        parts = urlsplit(url)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Installation("unknown")
    if parts.password is not None or re.search(r"[^\w:/@.%+~=&?,() -]", url):
        # It goes into a shell command of a workflow, between quotes.
        return Installation("unknown")
    vcs = told.get("vcs_info")
    if isinstance(vcs, dict) and vcs.get("vcs") == "git" and isinstance(vcs.get("commit_id"), str):
        return Installation("git", f"git+{url}@{vcs['commit_id']}")
    if parts.scheme != "file":
        return Installation("unknown")
    path = unquote(parts.path)
    if isinstance(told.get("dir_info"), dict):
        return Installation("folder", path)
    archive = told.get("archive_info")
    if isinstance(archive, dict) and path.endswith(".whl"):
        hashes = archive.get("hashes")
        digest = hashes.get("sha256", "") if isinstance(hashes, dict) else ""
        return Installation("wheel", path, digest if isinstance(digest, str) else "")
    return Installation("unknown")
