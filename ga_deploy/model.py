"""What the parts of ga-deploy say to each other: frozen, JSON-able values without I/O and without behaviour.

Imports only `redact`. Twilio's words for Twilio's things; SIDs are their own types, so that swapping two is a type
error. Records here carry only the fields that ga-deploy reads; the gateway makes them out of Twilio's answers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NewType

if TYPE_CHECKING:
    from ga_deploy.redact import Secret

ServiceSid = NewType("ServiceSid", str)  # ZS…
EnvironmentSid = NewType("EnvironmentSid", str)  # ZE…
FunctionSid = NewType("FunctionSid", str)  # ZH…, assets too
VersionSid = NewType("VersionSid", str)  # ZN…, of functions and of assets
BuildSid = NewType("BuildSid", str)  # ZB…
DeploymentSid = NewType("DeploymentSid", str)  # ZD…
VariableSid = NewType("VariableSid", str)  # ZV…
NumberSid = NewType("NumberSid", str)  # PN…
FlowSid = NewType("FlowSid", str)  # FW…

Visibility = Literal["public", "protected", "private"]

# First line of every function that ga-deploy deploys, whatever its template says. What carries it is ours.
MARKER = "// ga-deploy:"


@dataclass(frozen=True)
class FunctionFile:
    """One function as it is to be deployed: `path` with its leading slash and without `.js`, source in `content`."""

    path: str
    visibility: Visibility
    content: str

    @property
    def sha256(self) -> str:
        """Hex digest of the source, UTF-8."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def file_name(self) -> str:
        """Where a Serverless Toolkit project keeps it, e.g. `functions/engage.protected.js`."""
        suffix = "" if self.visibility == "public" else f".{self.visibility}"
        return f"functions{self.path}{suffix}.js"


@dataclass(frozen=True)
class Bundle:
    """The rendered functions and what they need to run.

    `functions` is sorted by path; no file holds a secret. `variables` is every environment variable that the functions
    read, `DOMAIN_NAME` and the ones that only `ga-deploy traffic` writes excepted; a value that came out of a `${…}`
    reference is a `Secret`. `fingerprint` identifies the settings module and stands in the URLs they make.
    `sources` tells for each function path the file it came from, for messages.
    """

    functions: tuple[FunctionFile, ...]
    dependencies: dict[str, str]
    variables: dict[str, str | Secret]
    fingerprint: str
    engage_path: str
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """A Serverless service. `unique_name` is permanent."""

    sid: ServiceSid
    account_sid: str
    unique_name: str
    friendly_name: str
    include_credentials: bool
    ui_editable: bool


@dataclass(frozen=True)
class Environment:
    """An environment of a service; `build_sid` is None until something was deployed (or after an empty deployment)."""

    sid: EnvironmentSid
    unique_name: str
    domain_suffix: str | None
    domain_name: str
    build_sid: BuildSid | None


@dataclass(frozen=True)
class FunctionResource:
    """A function as a container of versions. Friendly names are not unique."""

    sid: FunctionSid
    friendly_name: str


@dataclass(frozen=True)
class FunctionVersion:
    """A version as it stands in a build; immutable. `path` has its leading slash."""

    sid: VersionSid
    function_sid: FunctionSid
    path: str
    visibility: Visibility
    date_created: str | None = None


@dataclass(frozen=True)
class AssetVersion:
    """An asset's version as it stands in a build; ga-deploy only ever carries these over."""

    sid: VersionSid
    asset_sid: FunctionSid
    path: str
    visibility: Visibility


@dataclass(frozen=True)
class Build:
    """A build: the complete content of an environment. Versions come in no particular order (here sorted by path)."""

    sid: BuildSid
    status: str  # building | completed | failed; anything else is still running
    runtime: str | None
    dependencies: dict[str, str]
    function_versions: tuple[FunctionVersion, ...]
    asset_versions: tuple[AssetVersion, ...]
    date_created: str | None = None


@dataclass(frozen=True)
class Variable:
    """A variable of an environment. Twilio returns values in clear: `value` is hidden from `repr`."""

    sid: VariableSid
    key: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class Deployment:
    """One activation of a build (`build_sid` None: an empty deployment, everything offline)."""

    sid: DeploymentSid
    build_sid: BuildSid | None
    date_created: str | None


@dataclass(frozen=True)
class NumberSettings:
    """The voice settings of a number that ga-deploy may change; unset is the empty string, never None.

    Twilio: a trunk wins over an application, an application over the URL.
    """

    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    voice_application_sid: str = ""
    trunk_sid: str = ""


@dataclass(frozen=True)
class IncomingNumber:
    """A phone number of the account. `number` is E.164."""

    sid: NumberSid
    number: str
    friendly_name: str
    can_voice: bool
    receives: str  # voice | fax
    settings: NumberSettings


@dataclass(frozen=True)
class Flow:
    """A Studio flow at its latest revision; `definition` is None in lists."""

    sid: FlowSid
    friendly_name: str
    status: str  # draft | published
    revision: int
    webhook_url: str
    definition: dict[str, object] | None = None
    commit_message: str | None = None


@dataclass(frozen=True)
class SyncDocument:
    """A Sync document; `revision` goes into If-Match. `expired` is judged by the gateway from Twilio's own clock."""

    unique_name: str
    revision: str
    data: dict[str, object]
    date_expires: str | None = None
    expired: bool = False


@dataclass(frozen=True)
class SyncItem:
    """An item of a Sync map."""

    key: str
    revision: str
    data: dict[str, object]
