"""The plan of `up`: one change for each address, with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model.bundle import AssetFile, FunctionFile
    from ga_deploy.model.sids import VersionSid

# The version of a plan as JSON. `up` refuses a saved plan of another version. 2: `wish` became `desired_digest`.
PLAN_FORMAT_VERSION = 2


class Action(StrEnum):
    """The action at one address."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    KEEP = "keep"  # not (or no longer) in the config, but it stays
    UNCHANGED = "unchanged"


class Reason(StrEnum):
    """Why a change is planned: the closed list. `output.plan_text.EXPLANATIONS` has the sentences for people."""

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


@dataclass(frozen=True)
class Change:
    """The action at one address, and the reason for it; "unchanged" has a reason too.

    `before` and `after` are JSON-able. They hold no secret and no value of a variable. `consent` is the question that
    the user must confirm first; empty if there is none.
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
        """Whether `up` writes something for it."""
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
    """The parts of a new build: existing versions by path, and files of ours to upload before it."""

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
    """The changes that `up` would make, as data. This one object is printed, saved and carried out.

    `base` has the SIDs and digests from which the plan was made, `desired_digest` the digest of the desired state. `up`
    refuses a saved plan if `base`, `desired_digest` or `changes` differ from those of a fresh plan. `recipe` is None if
    no build is needed.
    """

    account_sid: str
    service: str
    environment: str
    domain_name: str | None
    desired_digest: str
    base: Mapping[str, object]
    changes: tuple[Change, ...]
    recipe: BuildRecipe | None = field(default=None, repr=False)
    region: str | None = None

    @property
    def writes(self) -> tuple[Change, ...]:
        """The changes that `up` writes."""
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
        """Return the plan as `plan --json` prints it and `plan --out` saves it, with its `format_version`."""
        counts = {action.value: 0 for action in Action}
        for change in self.changes:
            counts[change.action.value] += 1
        return {
            "format_version": PLAN_FORMAT_VERSION,
            "account_sid": self.account_sid,
            "region": self.region,
            "service": self.service,
            "environment": self.environment,
            "domain_name": self.domain_name,
            "desired_digest": self.desired_digest,
            "base": dict(self.base),
            "changes": [change.to_json() for change in self.changes],
            "summary": counts,
        }
