"""What ga-deploy owns. Only this module decides it. Pure.

A function is ours if its first line is our marker comment with our set, or if the record names it. Everything else is
foreign, also functions of another ga-deploy config, and is never changed without consent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model.desired import Desired
    from ga_deploy.model.observed import LiveFunction, Observed

# A config never requests the platform's handler: Twilio keeps a private list of its deployable versions, not npm's
# (twilio-labs/serverless-toolkit issues 538, 557, 564). The handler of others is kept.
RUNTIME_HANDLER = "@twilio/runtime-handler"
DOMAIN_VARIABLE = "DOMAIN_NAME"
# The end of the friendly name of a service that ga-deploy created. `destroy` recognizes it even without a record.
MADE_BY = " (ga-deploy)"
# Only `ga-deploy traffic` and the flow write these; `up` leaves them as they are.
SWITCHES = frozenset({"GA_ENABLED", "GA_TRAFFIC_PERCENT", "GA_FLOW_SID"})


@dataclass(frozen=True)
class Ownership:
    """Answers for one desired and one observed state."""

    desired: Desired
    observed: Observed

    @cached_property
    def has_ours_live(self) -> bool:
        """Whether a function of ours is in the live build, so that ga-deploy has deployed here before."""
        return any(self.is_our_function(function) for function in self.observed.live)

    def is_our_function(self, function: LiveFunction) -> bool:
        """Whether a live function is ours."""
        latest = self.observed.record.latest
        recorded = latest.functions.get(function.version.path) if latest else None
        if recorded and recorded.version == function.version.sid:
            return True
        return function.was_read and function.marked_set == self.desired.function_set

    def may_set_variable(self, name: str) -> bool:
        """Whether an existing variable may be overwritten without consent, since ga-deploy wrote it."""
        record = self.observed.record
        if record.intent and name in record.intent.variables:
            return True
        if record.latest:
            return name in record.latest.variables
        # Without a record: variables of these names are ours if our functions are live, and foreign if not.
        ours_by_name = name.startswith(("ASAPP_", "GA_")) or name == DOMAIN_VARIABLE
        return ours_by_name and self.has_ours_live

    def made_variable(self, name: str) -> bool:
        """Whether ga-deploy created an existing variable, so that it may delete it."""
        record = self.observed.record
        if record.intent and name in record.intent.variables:
            return True
        return bool(record.latest and name in record.latest.variables and record.latest.variables[name].made)

    def made_dependency(self, name: str, live_version: str) -> bool:
        """Whether ga-deploy added a dependency of the live build, at that version."""
        record = self.observed.record
        if record.intent and name in record.intent.dependencies:
            return True
        if record.latest:
            return record.latest.dependencies.get(name) == live_version
        return False

    def may_set_dependency(self, name: str, live_version: str) -> bool:
        """Whether a dependency may get another version without consent."""
        if self.made_dependency(name, live_version):
            return True
        # Without a record: if our functions run with it, it was accepted before.
        return self.observed.record.latest is None and self.has_ours_live

    @cached_property
    def made_containers(self) -> frozenset[str]:
        """The paths whose function resource ga-deploy created. Earlier resources belong to somebody else."""
        record = self.observed.record
        known = set(record.latest.containers) if record.latest else set()
        return frozenset(known | set(record.intent.containers if record.intent else ()))

    @cached_property
    def live_dependencies(self) -> Mapping[str, str]:
        """The dependencies of the live build, without the platform's handler.

        If Twilio does not list them, these are the ones that the record names; empty if it names none.
        """
        latest, build = self.observed.record.latest, self.observed.build
        declared = build.dependencies if build else {}
        if build and not build.tells_dependencies and latest and latest.build_sid == build.sid:
            declared = dict(latest.sent_dependencies)
        return {name: version for name, version in declared.items() if name != RUNTIME_HANDLER}

    @cached_property
    def may_lose_dependencies(self) -> bool:
        """Whether a new build may miss dependencies of others: neither Twilio nor the record lists them."""
        latest, build = self.observed.record.latest, self.observed.build
        if build is None or build.tells_dependencies or (latest and latest.build_sid == build.sid):
            return False
        return any(not self.is_our_function(function) for function in self.observed.live)

    @cached_property
    def sent_dependencies(self) -> Mapping[str, str]:
        """The dependencies to send so that the next build has those of the live one.

        Twilio adds its default `twilio` to every build and lists it like the others (docs: Dependencies). If the
        record has what was sent for the live build, only that is sent again, so that the default stays a default.
        """
        recorded = self._recorded_dependencies
        if recorded is not None:
            return recorded
        handler = self._live_handler
        if handler is None or self.is_made_by_ga_deploy:
            return self.live_dependencies
        return {**self.live_dependencies, RUNTIME_HANDLER: handler}

    @cached_property
    def is_made_by_ga_deploy(self) -> bool:
        """Whether everything in the live build was made by ga-deploy, with any config.

        Then nobody chose the platform's handler: Twilio added it.
        """
        build = self.observed.build
        others = [f for f in self.observed.live if f.marked_set is None and not self.is_our_function(f)]
        assets = [a for a in (build.asset_versions if build else ()) if a.sid not in self.observed.our_assets]
        return not others and not assets

    @cached_property
    def carried_handler(self) -> str | None:
        """The version of the platform's handler to send with the next build, because others run with it."""
        return self.sent_dependencies.get(RUNTIME_HANDLER)

    @property
    def _live_handler(self) -> str | None:
        return self.observed.build.dependencies.get(RUNTIME_HANDLER) if self.observed.build else None

    @property
    def _recorded_dependencies(self) -> Mapping[str, str] | None:
        """What was sent for the live build, if the record has it: then ga-deploy made the build."""
        latest, build = self.observed.record.latest, self.observed.build
        if latest and build and latest.build_sid == build.sid:
            return latest.sent_dependencies
        intent = self.observed.record.intent
        if not (build and intent and intent.sent_dependencies):
            return None
        # If a run was killed after its deployment, the build has what it sent and at most the defaults.
        sent, live = intent.sent_dependencies, build.dependencies
        added = {name for name in live if name not in sent}
        return sent if added <= {"twilio", RUNTIME_HANDLER} and sent.items() <= live.items() else None
