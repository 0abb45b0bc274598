"""What the parts of ga-deploy say to each other: frozen, JSON-able values without I/O and without behaviour.

Imports only `errors` and `redact`. Twilio's words for Twilio's things; SIDs are their own types, so that swapping two
is a type error. Records carry only the fields that ga-deploy reads; the gateway makes them out of Twilio's answers.

Longer than other files because it is the one vocabulary: first Twilio's things, then ours (wish, view, plan, release).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NewType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.errors import Place
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
class AssetFile:
    """A public static document as it is to be deployed: `path` with its leading slash and its extension."""

    path: str
    content: str

    @property
    def sha256(self) -> str:
        """Hex digest of the content, UTF-8."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def file_name(self) -> str:
        """Where a Serverless Toolkit project keeps it, e.g. `assets/fallback-12345678.xml`."""
        return f"assets{self.path}"


@dataclass(frozen=True)
class Bundle:
    """The rendered functions and what they need to run.

    `functions` is sorted by path; no file holds a secret. `variables` is every environment variable that the functions
    read, `DOMAIN_NAME` and the ones that only `ga-deploy traffic` writes excepted; a value that came out of a `${…}`
    reference is a `Secret`. `fingerprint` identifies the settings module and stands in the URLs they make.
    `sources` tells for each function path the file it came from, for messages. `assets` are public documents: the
    fallback, where the config has one.
    """

    functions: tuple[FunctionFile, ...]
    dependencies: dict[str, str]
    variables: dict[str, str | Secret]
    fingerprint: str
    engage_path: str
    sources: dict[str, str] = field(default_factory=dict)
    assets: tuple[AssetFile, ...] = ()


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
class ServiceEnvironment:
    """A service and one environment of it, both of which exist: where something is deployed to."""

    service: Service
    environment: Environment

    @property
    def service_sid(self) -> ServiceSid:
        """The service's SID."""
        return self.service.sid

    @property
    def environment_sid(self) -> EnvironmentSid:
        """The environment's SID."""
        return self.environment.sid

    @property
    def domain_name(self) -> str:
        """The domain that answers for it, such as `ga-1234-dev.twil.io`."""
        return self.environment.domain_name


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
    """An asset's version as it stands in a build."""

    sid: VersionSid
    asset_sid: FunctionSid
    path: str
    visibility: Visibility


@dataclass(frozen=True)
class Build:
    """A build: the complete content of an environment. Versions come in no particular order (here sorted by path).

    `tells_dependencies` is False where Twilio gave null for them: there may be some all the same.
    """

    sid: BuildSid
    status: str  # building | completed | failed; anything else is still running
    runtime: str | None
    dependencies: dict[str, str]
    function_versions: tuple[FunctionVersion, ...]
    asset_versions: tuple[AssetVersion, ...]
    date_created: str | None = None
    tells_dependencies: bool = True


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


SettingName = Literal[
    "voice_url",
    "voice_method",
    "voice_fallback_url",
    "voice_fallback_method",
    "voice_application_sid",
    "trunk_sid",
]


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
    # When the answer that shows it came, by the gateway's clock; for `update_number(not_after=…)`.
    read_at: float = field(default=0.0, compare=False)


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
class OurFlow:
    """A flow with something of ours in it: `is_attached`, our widgets among those of others; else all of it.

    `status` is what the config says that a revision shall be, None where it no longer says.
    """

    flow: Flow
    is_attached: bool
    status: str | None = None

    @property
    def kind(self) -> str:
        """How the record calls it: `made` or `attached`."""
        return "attached" if self.is_attached else "made"


@dataclass(frozen=True)
class SyncDocument:
    """A Sync document; `revision` goes into If-Match. `expired` is judged by the gateway from Twilio's own clock."""

    unique_name: str
    revision: str
    data: dict[str, object]
    date_expires: str | None = None
    expired: bool = False
    sid: str = ""


@dataclass(frozen=True)
class SyncItem:
    """An item of a Sync map."""

    key: str
    revision: str
    data: dict[str, object]


_MARKED_SET = re.compile(re.escape(MARKER) + r".*?\bset=(\S+)")


def read_marker(source: str) -> str | None:
    """Return the set that a deployed source's marker line names, e.g. `/`; None for a function that is not ours."""
    found = _MARKED_SET.match(source.lstrip("\ufeff").split("\n", 1)[0])
    return found.group(1) if found else None


@dataclass(frozen=True)
class NumberWish:
    """A number and what it shall reach. `fallback_url` None: what it had before, if that was real.

    `at` is where the user wrote it, if that was in a file.
    """

    number: str
    to: Literal["engage", "flow"] = "engage"
    profile: str | None = None
    fallback_url: str | None = None
    fallback_method: Literal["GET", "POST"] = "POST"
    at: Place | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Desired:
    """What one environment of a service shall be, as far as ga-deploy is concerned: only our parts.

    None for `runtime`, `include_credentials` or `ui_editable` means: keep what is live. `function_set` is the name in
    our marker lines; functions of another set belong to another config.
    """

    account_sid: str
    service_name: str
    environment: str
    domain_suffix: str | None
    functions: tuple[FunctionFile, ...]
    function_set: str
    engage_path: str
    fingerprint: str
    dependencies: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | Secret] = field(default_factory=dict)
    numbers: tuple[NumberWish, ...] = ()
    runtime: str | None = None
    include_credentials: bool | None = None
    ui_editable: bool | None = None
    assets: tuple[AssetFile, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The paths of our functions."""
        return frozenset(file.path for file in self.functions)

    @property
    def public_paths(self) -> tuple[str, ...]:
        """The paths that answer on the web, protected ones included."""
        return tuple(file.path for file in self.functions if file.visibility != "private")

    def visibility_of(self, path: str) -> Visibility:
        """Return the visibility of our function at a path; `protected`, as webhooks are, where there is none."""
        return next((file.visibility for file in self.functions if file.path == path), "protected")


@dataclass(frozen=True)
class LiveFunction:
    """A function of the live build. `sha256` and `marked_set` are None where nobody needed to read the source."""

    version: FunctionVersion
    sha256: str | None = None
    marked_set: str | None = None
    was_read: bool = False
    source: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ReleasedFunction:
    """A function of ours as a release had it; `kept`: only carried along because an earlier release had it."""

    version: VersionSid
    sha256: str
    visibility: Visibility
    kept: bool = False


@dataclass(frozen=True)
class ReleasedAsset:
    """An asset of ours as a release had it; `kept`: only carried along because an earlier release had it."""

    version: VersionSid
    kept: bool = False


@dataclass(frozen=True)
class ReleasedVariable:
    """A variable of a release. `made`: ga-deploy created it, so it may delete it. A secret has a fingerprint only."""

    made: bool
    value: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Release:
    """One successful deployment, as the record keeps it; `number` counts per environment, from 1.

    `salt` is that of all fingerprints of variables in it; releases of earlier versions have none.
    """

    number: int
    function_set: str
    service_sid: ServiceSid
    environment_sid: EnvironmentSid
    build_sid: BuildSid
    fingerprint: str
    functions: Mapping[str, ReleasedFunction]
    dependencies: Mapping[str, str]  # those that ga-deploy brought in
    sent_dependencies: Mapping[str, str]  # all that the build was given
    variables: Mapping[str, ReleasedVariable]
    variables_digest: str
    runtime: str | None = None
    numbers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    when: str = ""
    who: str = ""
    command: str = "up"
    version: str = ""
    domain_name: str = ""
    containers: tuple[str, ...] = ()  # paths whose function resource ga-deploy created
    flows: Mapping[str, str] = field(default_factory=dict)  # Studio flows by SID: `made` by us, or `attached` to
    salt: str = ""
    assets: Mapping[str, ReleasedAsset] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How users call it: `v12`."""
        return f"v{self.number}"


@dataclass(frozen=True)
class Intent:
    """What a deployment that may not have ended was about to make; the next one knows these for ours."""

    release: int
    function_set: str
    paths: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    sent_dependencies: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What the record holds for one environment and one set of functions.

    `latest` is the newest release of our set, `last_number` the newest of any. `where` says where it was read: `sync`,
    a file, or why there is none.
    """

    where: str
    latest: Release | None = None
    last_number: int = 0
    intent: Intent | None = None


@dataclass(frozen=True)
class Observed:
    """One look at the account: what the environment of a service is now. Nothing here came from a local copy."""

    service: Service | None = None
    environments: tuple[Environment, ...] = ()
    environment: Environment | None = None
    build: Build | None = None
    live: tuple[LiveFunction, ...] = ()
    resources: tuple[FunctionResource, ...] = ()
    variables: tuple[Variable, ...] = ()
    numbers: Mapping[str, IncomingNumber] = field(default_factory=dict)
    record: Record = field(default_factory=lambda: Record(where="none"))
    assets: tuple[FunctionResource, ...] = ()  # of the service; only where its inventory was asked for
    called_paths: frozenset[str] = frozenset()  # no longer in the config, and a number of the account leads there
    left_flows: tuple[OurFlow, ...] = ()  # no longer in the config, and something of ours is in them
    flow_paths: frozenset[str] = frozenset()  # what those flows call
    our_assets: frozenset[VersionSid] = frozenset()  # asset versions of the live build that are ours

    @property
    def place(self) -> ServiceEnvironment | None:
        """The service and its environment, if both exist."""
        if self.service is None or self.environment is None:
            return None
        return ServiceEnvironment(self.service, self.environment)

    @property
    def build_sid(self) -> BuildSid | None:
        """The live build, if anything is live."""
        return self.environment.build_sid if self.environment else None


class Action(StrEnum):
    """What happens to the thing at an address."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    KEEP = "keep"  # not (or no longer) in the config, stays all the same
    UNCHANGED = "unchanged"


class Reason(StrEnum):
    """Why a change is what it is: the closed list. `EXPLANATIONS` has the words for people."""

    MISSING = "missing"
    NOT_LIVE = "not_live"
    SOURCE_DIFFERS = "source_differs"
    VISIBILITY_DIFFERS = "visibility_differs"
    VERSION_DIFFERS = "version_differs"
    VALUE_DIFFERS = "value_differs"
    RUNTIME_DIFFERS = "runtime_differs"
    SETTING_DIFFERS = "setting_differs"
    CONTENT_DIFFERS = "content_differs"
    DEFINITION_DIFFERS = "definition_differs"
    NEW_BUILD = "new_build"
    TARGET_DIFFERS = "target_differs"
    NOT_RECORDED = "not_recorded"
    NEW_RELEASE = "new_release"
    REMOVED = "removed"
    KEPT_ONE_RELEASE = "kept_one_release"
    KEPT_FOR_NUMBERS = "kept_for_numbers"
    KEPT_FOR_FLOW = "kept_for_flow"
    KEPT_UNTIL_BUILD = "kept_until_build"
    KEPT_LONG_ENOUGH = "kept_long_enough"
    FOREIGN = "foreign"
    FOREIGN_IN_THE_WAY = "foreign_in_the_way"
    ADOPTED = "adopted"
    SAME = "same"
    PLATFORM = "platform"


EXPLANATIONS: Mapping[Reason, str] = {
    Reason.MISSING: "does not exist yet",
    Reason.NOT_LIVE: "is not in the live build",
    Reason.SOURCE_DIFFERS: "its source differs from the deployed one",
    Reason.VISIBILITY_DIFFERS: "its visibility differs from the deployed one",
    Reason.VERSION_DIFFERS: "its version differs from the live build's",
    Reason.VALUE_DIFFERS: "its value differs",
    Reason.RUNTIME_DIFFERS: "the config asks for another runtime",
    Reason.SETTING_DIFFERS: "the config asks for another setting",
    Reason.CONTENT_DIFFERS: "functions, dependencies or the runtime change",
    Reason.DEFINITION_DIFFERS: "its definition differs from the newest revision's",
    Reason.NEW_BUILD: "a new build goes live",
    Reason.TARGET_DIFFERS: "it points somewhere else",
    Reason.NOT_RECORDED: "what is live is not in the record",
    Reason.NEW_RELEASE: "what is live afterwards goes into the record",
    Reason.REMOVED: "no longer in the config",
    Reason.KEPT_ONE_RELEASE: "no longer in the config; keeps answering for one release",
    Reason.KEPT_FOR_NUMBERS: "no longer in the config; a number still points at it",
    Reason.KEPT_FOR_FLOW: "no longer in the config; a flow still calls it",
    Reason.KEPT_UNTIL_BUILD: "no longer in the config; goes with the next build",
    Reason.KEPT_LONG_ENOUGH: "no longer in the config; was kept for one release",
    Reason.FOREIGN: "not made by this config; carried over",
    Reason.FOREIGN_IN_THE_WAY: "not made by this config; the config wants to replace it",
    Reason.ADOPTED: "was there before; adopted",
    Reason.SAME: "same as what is live",
    Reason.PLATFORM: "given by the platform",
}


@dataclass(frozen=True)
class Change:
    """What happens at one address, and why; "unchanged" has a reason as well.

    `before` and `after` are JSON-able and hold no secret and no variable's value. `consent` is the question that has to
    be agreed to first.
    """

    address: str
    action: Action
    reason: Reason
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    detail: str = ""
    consent: str = ""

    @property
    def kind(self) -> str:
        """The part of the address before the colon: `function`, `variable`, `build`, …."""
        return self.address.split(":", 1)[0]

    @property
    def name(self) -> str:
        """The part of the address after the colon."""
        return self.address.partition(":")[2]

    @property
    def is_write(self) -> bool:
        """Whether something is written for it."""
        return self.action in {Action.CREATE, Action.UPDATE, Action.DELETE}

    def to_json(self) -> dict[str, object]:
        """Return the change as `plan --json` shows it."""
        return {
            "address": self.address,
            "action": self.action.value,
            "reason": self.reason.value,
            "detail": self.detail,
            "before": dict(self.before) if self.before is not None else None,
            "after": dict(self.after) if self.after is not None else None,
            "needs_consent": bool(self.consent),
        }


@dataclass(frozen=True)
class BuildRecipe:
    """What a new build is made of: versions that exist, by path, and files of ours that are uploaded first."""

    upload: tuple[FunctionFile, ...]
    reuse: Mapping[str, VersionSid]
    kept: Mapping[str, VersionSid]
    foreign: Mapping[str, VersionSid]
    assets: tuple[VersionSid, ...]
    dependencies: Mapping[str, str]
    runtime: str | None
    upload_assets: tuple[AssetFile, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What `up` would do, as data: printed, saved and carried out from this one object.

    `base` is what the plan was made from (SIDs and digests); a saved plan is refused when it, `wish` or `changes`
    differ from a fresh look. `recipe` is None when no build is needed.
    """

    account_sid: str
    service: str
    environment: str
    domain_name: str | None
    wish: str
    base: Mapping[str, object]
    changes: tuple[Change, ...]
    recipe: BuildRecipe | None = field(default=None, repr=False)
    region: str | None = None

    @property
    def writes(self) -> tuple[Change, ...]:
        """The changes for which something is written."""
        return tuple(change for change in self.changes if change.is_write)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.writes

    def find(self, address: str) -> Change | None:
        """Return the change at an address."""
        return next((change for change in self.changes if change.address == address), None)

    def of(self, kind: str, *actions: Action) -> tuple[Change, ...]:
        """Return the changes of a kind, limited to `actions` if any are given."""
        return tuple(c for c in self.changes if c.kind == kind and (not actions or c.action in actions))

    def to_json(self) -> dict[str, object]:
        """Return the plan as `plan --json` shows it and `plan --out` saves it; `format_version` is 1."""
        counts = {action.value: 0 for action in Action}
        for change in self.changes:
            counts[change.action.value] += 1
        return {
            "format_version": 1,
            "account_sid": self.account_sid,
            "region": self.region,
            "service": self.service,
            "environment": self.environment,
            "domain_name": self.domain_name,
            "wish": self.wish,
            "base": dict(self.base),
            "changes": [change.to_json() for change in self.changes],
            "summary": counts,
        }
