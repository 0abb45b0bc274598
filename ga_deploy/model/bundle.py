"""The rendered project: functions, assets, dependencies and variables, before they are compared with the account."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ga_deploy.redact import Secret

Visibility = Literal["public", "protected", "private"]

# The first line of every function that ga-deploy deploys starts with it. ga-deploy owns the functions that carry it.
MARKER = "// ga-deploy:"


@dataclass(frozen=True)
class FunctionFile:
    """One function to deploy: `path` with its leading slash and without `.js`, source in `content`."""

    path: str
    visibility: Visibility
    content: str

    @property
    def sha256(self) -> str:
        """Hex digest of the source, UTF-8."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def file_name(self) -> str:
        """The file of a Serverless Toolkit project that holds it, e.g. `functions/engage.protected.js`."""
        suffix = "" if self.visibility == "public" else f".{self.visibility}"
        return f"functions{self.path}{suffix}.js"


@dataclass(frozen=True)
class AssetFile:
    """A public static document to deploy: `path` with its leading slash and its extension."""

    path: str
    content: str

    @property
    def sha256(self) -> str:
        """Hex digest of the content, UTF-8."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def file_name(self) -> str:
        """The file of a Serverless Toolkit project that holds it, e.g. `assets/fallback-12345678.xml`."""
        return f"assets{self.path}"


@dataclass(frozen=True)
class Bundle:
    """The rendered functions and everything that they need to run.

    `functions` is sorted by path; no file holds a secret. `variables` has every environment variable that the functions
    read, except `DOMAIN_NAME` and those that only `ga-deploy traffic` writes. A value that came from a `${…}` reference
    is a `Secret`. `fingerprint` identifies the settings module; the URLs of the functions contain it. `sources` has the
    file from which each function path came, for messages. `assets` are public documents: the fallback, if the config
    has one.
    """

    functions: tuple[FunctionFile, ...]
    dependencies: dict[str, str]
    variables: dict[str, str | Secret]
    fingerprint: str
    engage_path: str
    sources: dict[str, str] = field(default_factory=dict)
    assets: tuple[AssetFile, ...] = ()


_MARKED_SET = re.compile(re.escape(MARKER) + r".*?\bset=(\S+)")


def read_marker(source: str) -> str | None:
    """Return the function set in the marker line of a deployed source, e.g. `/`; None if it has no marker line."""
    found = _MARKED_SET.match(source.lstrip("\ufeff").split("\n", 1)[0])
    return found.group(1) if found else None
