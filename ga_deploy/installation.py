"""The origin of this installation of ga-deploy, so that advice and workflows install the same one again.

The name `ga-deploy` is not registered on the package index yet. A command that installs by the name alone would run the
code of whoever registers it, in a job that has secrets. So only an installation from the index is named that way.
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
    """The origin of an installation, as pip recorded it (PEP 610: `direct_url.json`).

    `place` is the URL with its commit for `git`, the path of the file for `wheel`, the path for `folder`, else empty.
    `sha256` is the hash of a wheel, if pip recorded it.
    """

    origin: Origin
    place: str = ""
    sha256: str = ""

    def requirement(self, extra: str = "") -> str | None:
        """Return the argument of `pip install` for this version, with `extra`; None if the origin is unknown."""
        name = f"{NAME}[{extra}]" if extra else NAME
        if self.origin == "index":
            return f"{name}=={__version__}"
        if self.origin == "git":
            return f"{name} @ {self.place}"
        if self.origin in {"wheel", "folder"}:
            return f"{name} @ {Path(self.place).as_uri()}"
        return None

    def advise(self, extra: str, *, again: bool = False) -> str:
        """Return the fix of an error that a missing extra causes: the `pip` command that adds `extra`.

        With `again` the command replaces what is installed.
        """
        wanted = self.requirement(extra)
        if wanted is None:
            return f"install ga-deploy{' again' if again else ''} with its extra `{extra}`, from where you got it"
        return f"run `pip install {'--force-reinstall ' if again else ''}'{wanted}'`"


@cache
def find_installation() -> Installation:
    """Return the origin of the running ga-deploy. Reads one small file and sends nothing."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        recorded = distribution(NAME).read_text("direct_url.json")
    except (PackageNotFoundError, OSError, UnicodeDecodeError):
        return Installation("unknown")
    return Installation("index") if recorded is None else read_direct_url(recorded)


def read_direct_url(recorded: str) -> Installation:
    """Return the origin in a `direct_url.json` (PEP 610); `unknown` if it is not readable or has a password in it."""
    try:
        direct = json.loads(recorded)
        url = str(direct["url"])
        parts = urlsplit(url)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Installation("unknown")
    if parts.password is not None or re.search(r"[^\w:/@.%+~=&?,() -]", url):
        # A workflow has it in a shell command, between quotes.
        return Installation("unknown")
    vcs = direct.get("vcs_info")
    if isinstance(vcs, dict) and vcs.get("vcs") == "git" and isinstance(vcs.get("commit_id"), str):
        return Installation("git", f"git+{url}@{vcs['commit_id']}")
    if parts.scheme != "file":
        return Installation("unknown")
    path = unquote(parts.path)
    if isinstance(direct.get("dir_info"), dict):
        return Installation("folder", path)
    archive = direct.get("archive_info")
    if isinstance(archive, dict) and path.endswith(".whl"):
        hashes = archive.get("hashes")
        digest = hashes.get("sha256", "") if isinstance(hashes, dict) else ""
        return Installation("wheel", path, digest if isinstance(digest, str) else "")
    return Installation("unknown")
