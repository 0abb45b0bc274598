"""What is ours and what is foreign: the one place that decides it. Pure.

Ours is what carries our marker line with our set, or what stands in the record. Everything else is foreign, functions
of another ga-deploy config included, and survives whatever happens here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model.desired import Desired
    from ga_deploy.model.observed import LiveFunction, Observed

# The platform's handler is never asked for by a config: its deployable versions are Twilio's private list, not npm's
# (twilio-labs/serverless-toolkit issues 538, 557, 564). One that others run with is carried over.
RUNTIME_HANDLER = "@twilio/runtime-handler"
DOMAIN_VARIABLE = "DOMAIN_NAME"
# Ends the friendly name of a service that ga-deploy created: how `destroy` knows, whatever became of the record.
MADE_BY = " (ga-deploy)"
# Only `ga-deploy traffic` and the flow write these; `up` leaves them as they are.
SWITCHES = frozenset({"GA_ENABLED", "GA_TRAFFIC_PERCENT", "GA_FLOW_SID"})


@dataclass(frozen=True)
class Ownership:
    """Answers for one wish and one look."""

    desired: Desired
    observed: Observed

    @cached_property
    def has_ours_live(self) -> bool:
        """Whether a function of ours is in the live build: then a deployment of ours got as far as that."""
        return any(self.is_our_function(function) for function in self.observed.live)

    def is_our_function(self, function: LiveFunction) -> bool:
        """Whether a live function is ours."""
        latest = self.observed.record.latest
        recorded = latest.functions.get(function.version.path) if latest else None
        if recorded and recorded.version == function.version.sid:
            return True
        return function.was_read and function.marked_set == self.desired.function_set

    def may_set_variable(self, name: str) -> bool:
        """Whether a variable that exists may be overwritten unasked: we wrote it, or nobody else would have."""
        record = self.observed.record
        if record.intent and name in record.intent.variables:
            return True
        if record.latest:
            return name in record.latest.variables
        # No record. Our functions are live, so these were theirs; in a service that never had them they are not.
        ours_by_name = name.startswith(("ASAPP_", "GA_")) or name == DOMAIN_VARIABLE
        return ours_by_name and self.has_ours_live

    def made_variable(self, name: str) -> bool:
        """Whether ga-deploy created a variable that exists, so that it may delete it."""
        record = self.observed.record
        if record.intent and name in record.intent.variables:
            return True
        return bool(record.latest and name in record.latest.variables and record.latest.variables[name].made)

    def made_dependency(self, name: str, live_version: str) -> bool:
        """Whether a dependency of the live build was brought in by ga-deploy, at that version."""
        record = self.observed.record
        if record.intent and name in record.intent.dependencies:
            return True
        if record.latest:
            return record.latest.dependencies.get(name) == live_version
        return False

    def may_set_dependency(self, name: str, live_version: str) -> bool:
        """Whether a dependency may get another version unasked."""
        if self.made_dependency(name, live_version):
            return True
        # No record, but our functions run with it: whoever chose the version, we agreed to it then.
        return self.observed.record.latest is None and self.has_ours_live

    @cached_property
    def made_containers(self) -> frozenset[str]:
        """The paths whose function resource ga-deploy created; one that was there before us belongs to somebody."""
        record = self.observed.record
        known = set(record.latest.containers) if record.latest else set()
        return frozenset(known | set(record.intent.containers if record.intent else ()))

    @cached_property
    def live_dependencies(self) -> Mapping[str, str]:
        """The dependencies of the live build, the platform's own handler left out.

        Of a build that does not tell them, what the record says that it was given; nothing if it does not know.
        """
        latest, build = self.observed.record.latest, self.observed.build
        declared = build.dependencies if build else {}
        if build and not build.tells_dependencies and latest and latest.build_sid == build.sid:
            declared = dict(latest.sent_dependencies)
        return {name: version for name, version in declared.items() if name != RUNTIME_HANDLER}

    @cached_property
    def may_lose_dependencies(self) -> bool:
        """Whether a new build may miss what others added: the live one does not tell, nor does the record."""
        latest, build = self.observed.record.latest, self.observed.build
        if build is None or build.tells_dependencies or (latest and latest.build_sid == build.sid):
            return False
        return any(not self.is_our_function(function) for function in self.observed.live)

    @cached_property
    def sent_dependencies(self) -> Mapping[str, str]:
        """What a next build has to be given to have what the live one has.

        Twilio adds its default `twilio` to every build and lists it like the others (docs: Dependencies). Where the
        record knows what the live build was given, only that is given again, so that the default stays a default.
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
        """Whether nobody but ga-deploy, under any config, has something in the live build.

        Such a build never chose the platform's handler: the one that it lists came by itself.
        """
        build = self.observed.build
        others = [f for f in self.observed.live if f.marked_set is None and not self.is_our_function(f)]
        assets = [a for a in (build.asset_versions if build else ()) if a.sid not in self.observed.our_assets]
        return not others and not assets

    @cached_property
    def carried_handler(self) -> str | None:
        """The version of the platform's handler that a next build is given, because others run with it."""
        return self.sent_dependencies.get(RUNTIME_HANDLER)

    @property
    def _live_handler(self) -> str | None:
        return self.observed.build.dependencies.get(RUNTIME_HANDLER) if self.observed.build else None

    @property
    def _recorded_dependencies(self) -> Mapping[str, str] | None:
        """What the live build was given, where the record knows: it was made by ga-deploy."""
        latest, build = self.observed.record.latest, self.observed.build
        if latest and build and latest.build_sid == build.sid:
            return latest.sent_dependencies
        intent = self.observed.record.intent
        if not (build and intent and intent.sent_dependencies):
            return None
        # A run that was killed after its deployment: the build has what that run sent, and at most the defaults.
        sent, live = intent.sent_dependencies, build.dependencies
        added = {name for name in live if name not in sent}
        return sent if added <= {"twilio", RUNTIME_HANDLER} and sent.items() <= live.items() else None
