"""The Studio flow in a deployment: read with the snapshot, planned with the plan, published before numbers are bound.

The flow is `flow.attach_to`, or the one with our description, since friendly names are not unique. Studio has no
precondition on the revision, so the revision is read again right before it is replaced, and a concurrent change is
reported. A flow is unchanged if its definition is equal, or if its commit message ends with our digest: Studio may
return a definition in another form than it was sent.

Long because every step of the reconciliation uses the same definition, digest and live flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ga_deploy import __version__
from ga_deploy.engine.flow.revisions import OUR_MESSAGE, await_reads, pause_for_reads, refuse_draft, replace_definition
from ga_deploy.errors import DeployError
from ga_deploy.events import Report, StepDone, StepStarted, ignore
from ga_deploy.model.drift import Drift
from ga_deploy.model.flows import OurFlow
from ga_deploy.model.plan import Action, Change, Reason
from ga_deploy.studio import (
    FlowDiff,
    FlowTarget,
    attach,
    attached_at,
    build_flow,
    build_fragment,
    describe_flow,
    detach,
    diff_definitions,
    fingerprint,
    is_described,
    keep_places,
    parse_definition,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ga_deploy.config.schema import Config
    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.flows import Flow
    from ga_deploy.model.observed import Observed
    from ga_deploy.model.serverless import ServiceEnvironment, Variable
    from ga_deploy.model.sids import FunctionSid
    from ga_deploy.studio import Definition

FLOW_VARIABLE = "GA_FLOW_SID"
_UNKNOWN = "0" * 32

# Placeholders in a plan for what Twilio has not assigned yet.
DOMAIN_TO_COME = "new-domain.twil.io"
FLOW_TO_COME = "https://webhooks.twilio.com/<new flow>"


@dataclass(frozen=True)
class FlowDecision:
    """What happens to the flow. `definition` is the desired one, `diff` compares it with the live one."""

    change: Change
    definition: Definition
    diff: FlowDiff
    mark: str
    live: Flow | None


def find_flow(platform: Platform, config: Config) -> Flow | None:
    """Read the flow that the config names; raises DeployError if the flow to attach to does not exist."""
    flow = config.flow
    if not flow.attach_to:
        return platform.find_described_flow(flow.friendly_name, describe_flow(config))
    found = platform.find_flow(flow.attach_to)
    if found is None:
        raise DeployError(
            f"there is no flow {flow.attach_to}",
            why="`flow.attach_to` names it, and the account has none of that SID",
            fix="copy the SID from the flow's page in the Console",
            at=config.place("flow", "attach_to"),
        )
    return found


def recall_flow(platform: Platform, config: Config, variables: Iterable[Variable]) -> Flow | None:
    """Find our flow under its earlier name, by the SID in the environment's variable."""
    known = next((one.value for one in variables if one.key == FLOW_VARIABLE), None)
    found = platform.find_flow(known) if known and not config.flow.attach_to else None
    if found and found.definition and is_described(found.definition.get("description"), describe_flow(config)):
        return found
    return None


def name_flow(platform: Platform, place: ServiceEnvironment, variables: Iterable[Variable], flow: Flow) -> None:
    """Write the flow's SID into the environment's variable; `variables` are the observed ones."""
    known = next((one for one in variables if one.key == FLOW_VARIABLE), None)
    if known is None:
        platform.create_variable(place.service_sid, place.environment_sid, FLOW_VARIABLE, flow.sid)
    elif known.value != flow.sid:
        platform.update_variable(place.service_sid, place.environment_sid, known.sid, flow.sid)


class FlowReconciler:
    """Makes one flow match the config. `live` is the flow in the snapshot; None if there is none.

    `decide` is pure; `push` writes and returns the saved flow. `pause` waits between reads while Studio does not
    show the newest revision yet.
    """

    def __init__(
        self,
        platform: Platform,
        config: Config,
        live: Flow | None,
        report: Report = ignore,
        pause: Callable[[], None] = pause_for_reads,
    ) -> None:
        self._platform = platform
        self._config = config
        self._report = report
        self._pause = pause
        self._live = live

    @property
    def address(self) -> str:
        """The flow's address in a plan."""
        return f"flow:{self._config.flow.friendly_name}"

    def decide(self, target: FlowTarget, variable: str | None = None) -> FlowDecision:
        """Return what to change; `variable` is the current value of GA_FLOW_SID."""
        definition = self._compose(target)
        mark = self._mark(target)
        live = self._live
        diff = diff_definitions(self._live_definition(), definition)
        after: dict[str, object] = {"status": self._config.flow.status, "widgets": len(definition["states"])}
        if live is None:
            change = Change(self.address, Action.CREATE, Reason.MISSING, after=after, detail=self._where())
            return FlowDecision(change, definition, diff, mark, None)
        before = {"sid": live.sid, "revision": live.revision, "status": live.status}
        if diff and not self._is_marked(mark):
            detail = ", ".join(part for part in (self._where(), diff.summary(), self._describe_author()) if part)
            change = Change(self.address, Action.UPDATE, Reason.DEFINITION_DIFFERS, before, after, detail)
        elif self._needs_publishing() or self._is_renamed():
            change = Change(self.address, Action.UPDATE, Reason.SETTING_DIFFERS, before, after, self._where())
        elif variable != live.sid:
            detail = f"sets {FLOW_VARIABLE} to it"
            change = Change(self.address, Action.UPDATE, Reason.TARGET_DIFFERS, before, after, detail)
        else:
            change = Change(self.address, Action.UNCHANGED, Reason.SAME, before, before, self._where())
        return FlowDecision(change, definition, diff, mark, live)

    def claim(self, flow: Flow | None) -> OurFlow | None:
        """Return the flow as one of ours, as read or as returned by `push`; None if there is none."""
        settings = self._config.flow
        return OurFlow(flow, is_attached=bool(settings.attach_to), status=settings.status) if flow else None

    def decide_for(self, observed: Observed) -> FlowDecision:
        """Return what to change, from one observed state."""
        variable = next((one.value for one in observed.variables if one.key == FLOW_VARIABLE), None)
        return self.decide(self.find_target(observed), variable)

    def find_drift(self, observed: Observed, decision: FlowDecision) -> tuple[Drift, ...]:
        """Return what somebody changed in the flow since the newest release."""
        recorded = observed.record.latest.flows if observed.record.latest else {}
        if self._live is None:
            elsewhere = {ours.flow.sid for ours in observed.left_flows}
            gone = recorded.keys() - elsewhere and not self._config.flow.attach_to
            return (Drift(self.address, "somebody deleted it"),) if gone else ()
        live = self._live_definition()
        if recorded.get(self._live.sid) == "attached" and live is not None and attached_at(live) is None:
            return (Drift(self.address, f"somebody took our widgets out of flow {self._live.sid}"),)
        change = self._describe_author() if decision.change.reason is Reason.DEFINITION_DIFFERS else ""
        return (Drift(self.address, change),) if change else ()

    def find_target(
        self,
        observed: Observed,
        place: ServiceEnvironment | None = None,
        functions: Mapping[str, FunctionSid] | None = None,
    ) -> FlowTarget:
        """Return what the flow needs from the deployment: from the observed state, or created since.

        A SID that does not exist yet is zeros; Twilio assigns no such SID.
        """
        path = self._config.flow.call_transfer.path
        live = {function.version.path: function.version.function_sid for function in observed.live}
        found = live.get(path) or (functions or {}).get(path)
        place = place or observed.place
        service = observed.service.sid if observed.service else None
        return FlowTarget(
            domain_name=place.domain_name if place else DOMAIN_TO_COME,
            service_sid=place.service_sid if place else service or f"ZS{_UNKNOWN}",
            environment_sid=place.environment_sid if place else f"ZE{_UNKNOWN}",
            call_transfer_sid=found or f"ZH{_UNKNOWN}",
        )

    def push(self, target: FlowTarget) -> Flow:
        """Save the flow if it differs, after Twilio has validated it; return the saved flow.

        Raises DeployError if somebody changed it since it was read, ApiProblem if Twilio refuses it.
        """
        decision = self.decide(target)
        settings = self._config.flow
        if decision.live is not None and not decision.change.is_write:
            return decision.live
        if decision.live is not None and decision.change.reason is Reason.TARGET_DIFFERS:
            return decision.live
        self._report(StepStarted("flow", f"Saving flow {settings.friendly_name}"))
        definition = cast("dict[str, object]", decision.definition)
        name = settings.friendly_name
        self._platform.validate_flow(name, settings.status, definition)
        message = f"ga-deploy {__version__} {decision.mark}"
        if decision.live is None:
            saved = self._platform.create_flow(name, settings.status, definition, message)
        else:
            saved = self._replace(decision.live, definition, message)
        await_reads(self._platform, saved, self._pause)
        done = "Published" if settings.status == "published" else "Saved a draft of"
        self._report(StepDone("flow", f"{done} flow {name}", f"{saved.sid}, revision {saved.revision}"))
        return saved

    def detached(self) -> tuple[Definition, FlowDiff]:
        """Return the flow without our widgets, and the difference; raises DeployError if it has none of our widgets."""
        live = self._live_definition()
        if live is None or attached_at(live) is None:
            raise DeployError(
                "there is nothing to detach",
                why="no widget of this config is attached to the flow",
                fix="`ga-deploy flow show` draws what is there",
            )
        definition = detach(live)
        return definition, diff_definitions(live, definition)

    def save_detached(self) -> Flow:
        """Take our widgets out of the flow and publish it (or save a draft, as the config says)."""
        definition, _ = self.detached()
        if self._live is None:
            raise AssertionError("what is detached was looked at")
        refuse_draft(self._live, self._config.flow.status)
        content = cast("dict[str, object]", definition)
        self._platform.validate_flow(self._live.friendly_name, self._config.flow.status, content)
        saved = self._replace(self._live, content, f"ga-deploy {__version__} detached")
        await_reads(self._platform, saved, self._pause)
        return saved

    def _replace(self, live: Flow, definition: dict[str, object], message: str) -> Flow:
        settings = self._config.flow
        name = None if settings.attach_to else settings.friendly_name
        return replace_definition(
            self._platform,
            live,
            settings.status,
            definition,
            message,
            friendly_name=name,
            report=self._report,
            pause=self._pause,
        )

    def _compose(self, target: FlowTarget) -> Definition:
        flow, live = self._config.flow, self._live_definition()
        if flow.attach_to and self._live is not None and live is not None:
            refuse_draft(self._live, self._config.flow.status)
            return attach(live, build_fragment(self._config, target), flow.after or "")
        wanted = build_flow(self._config, target, self._read_base())
        return keep_places(wanted, live) if live is not None else wanted

    def _read_base(self) -> Definition | None:
        from ga_deploy.studio import read_base

        return read_base(self._config)

    def _live_definition(self) -> Definition | None:
        if self._live is None:
            return None
        return parse_definition(self._live.definition, where=f"flow {self._live.sid}")

    def _mark(self, target: FlowTarget) -> str:
        """Return a digest of our part of the flow; the parts of others do not change it."""
        ours = build_flow(self._config, target, self._read_base())
        return fingerprint({**ours, "description": f"{ours['description']} {self._where()}"})

    def _is_marked(self, mark: str) -> bool:
        found = OUR_MESSAGE.fullmatch((self._live.commit_message if self._live else None) or "")
        return found is not None and found.group(1) == mark

    def _needs_publishing(self) -> bool:
        return self._live is not None and self._live.status == "draft" and self._config.flow.status == "published"

    def _is_renamed(self) -> bool:
        flow = self._config.flow
        return self._live is not None and not flow.attach_to and self._live.friendly_name != flow.friendly_name

    def _where(self) -> str:
        flow = self._config.flow
        return f"attached at {flow.after}" if flow.attach_to else ""

    def _describe_author(self) -> str:
        live = self._live
        if live is None or self._config.flow.attach_to or OUR_MESSAGE.fullmatch(live.commit_message or ""):
            return ""
        return f"revision {live.revision} was not saved by ga-deploy; it stays in the flow's history"
