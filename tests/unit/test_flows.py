"""The keeper of a flow against a Studio in memory, with the habits that an account may have."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.engine.flow.flow import FlowReconciler, find_flow
from ga_deploy.errors import DeployError
from ga_deploy.events import Warned
from ga_deploy.model.flows import Flow
from ga_deploy.model.sids import FlowSid
from tests.unit.studio_configs import TARGET, config_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Studio:
    """Flows in memory. `respell` turns a definition into what is given back; `before_save` is somebody else."""

    def __init__(self) -> None:
        self.revisions: list[Flow] = []
        self.respell: Callable[[Any], Any] = copy.deepcopy
        self.before_save: Callable[[], object] = lambda: None
        self.stale_reads = 0

    def find_described_flow(self, name: str, description: str) -> Flow | None:
        latest = self.revisions[-1] if self.revisions else None
        is_it = latest and latest.definition and latest.definition["description"] == description
        return latest if is_it else None

    def find_flow(self, sid: str) -> Flow | None:
        if self.stale_reads:
            self.stale_reads -= 1
            return self.revisions[-2]
        return self.revisions[-1] if self.revisions else None

    def validate_flow(self, name: str, status: str, definition: Any) -> None:
        pass

    def create_flow(self, name: str, status: str, definition: Any, message: str) -> Flow:
        return self.save(name, status, definition, message)

    def update_flow(self, flow: Flow, status: str, definition: Any, message: str, name: str | None = None) -> Flow:
        self.before_save()
        return self.save(name or flow.friendly_name, status, definition, message)

    def save(self, name: str, status: str, definition: Any, message: str | None) -> Flow:
        number = len(self.revisions) + 1
        url = "https://webhooks.twilio.com/v1/Accounts/AC0/Flows/FW0"
        self.revisions.append(Flow(FlowSid("FW0"), name, status, number, url, self.respell(definition), message))
        return self.revisions[-1]


@pytest.fixture
def studio() -> Studio:
    return Studio()


def reconciler(studio: Studio, sections: str = "", report: Any = lambda event: None) -> FlowReconciler:
    config = config_of(sections)
    live = find_flow(studio, config)  # type: ignore[arg-type]
    return FlowReconciler(studio, config, live, report, pause=lambda: None)  # type: ignore[arg-type]


def change(studio: Studio, sections: str = "") -> tuple[str, str]:
    live = studio.revisions[-1].sid if studio.revisions else None
    decided = reconciler(studio, sections).decide(TARGET, live).change
    return decided.action.value, decided.reason.value


def test_made_once_and_then_unchanged(studio: Studio) -> None:
    assert change(studio) == ("create", "missing")
    reconciler(studio).push(TARGET)
    assert change(studio) == ("unchanged", "same")
    reconciler(studio).push(TARGET)
    assert len(studio.revisions) == 1


def spell_out(definition: Any) -> Any:
    """Give a definition back as a platform might: defaults spelled out, numbers as texts, another order."""
    given = copy.deepcopy(definition)
    given["flags"] = {**given.get("flags", {}), "some_default": True}
    for state in given["states"]:
        state["properties"].setdefault("record", None)
        if "timeout" in state["properties"]:
            state["properties"]["timeout"] = str(state["properties"]["timeout"])
    given["states"].reverse()
    return given


def test_a_definition_that_comes_back_otherwise_than_it_was_sent_is_no_change(studio: Studio) -> None:
    studio.respell = spell_out
    reconciler(studio).push(TARGET)
    assert change(studio) == ("unchanged", "same")
    assert change(studio, "outcomes: {completed: [{say: Bye.}]}") == ("update", "definition_differs")


def test_what_somebody_else_saved_on_top_is_told_by_the_definition(studio: Studio) -> None:
    reconciler(studio).push(TARGET)
    edited: Any = copy.deepcopy(studio.revisions[-1].definition)
    studio.save("GenerativeAgent", "published", edited, None)
    assert change(studio) == ("unchanged", "same")
    edited["states"][1]["properties"]["timeout"] = "60"
    studio.save("GenerativeAgent", "published", edited, None)
    assert change(studio) == ("update", "definition_differs")
    detail = reconciler(studio).decide(TARGET).change.detail
    assert "revision 3 was not saved by ga-deploy" in detail


def test_the_variable_that_names_the_flow_is_set_without_another_revision(studio: Studio) -> None:
    reconciler(studio).push(TARGET)
    decided = reconciler(studio).decide(TARGET, "FWother").change
    assert (decided.reason.value, "GA_FLOW_SID" in decided.detail) == ("target_differs", True)
    assert reconciler(studio).push(TARGET).revision == 1


def test_a_revision_that_came_in_between_is_not_replaced(studio: Studio) -> None:
    reconciler(studio).push(TARGET)
    mine = reconciler(studio, "outcomes: {completed: [{say: Bye.}]}")
    studio.revisions.append(replace(studio.revisions[-1], revision=2, commit_message="theirs"))
    with pytest.raises(DeployError, match="changed since it was read"):
        mine.push(TARGET)
    assert len(studio.revisions) == 2


def test_a_revision_that_slips_in_at_the_very_moment_is_named(studio: Studio) -> None:
    reconciler(studio).push(TARGET)
    told: list[Any] = []
    mine = reconciler(studio, "outcomes: {completed: [{say: Bye.}]}", told.append)
    studio.before_save = lambda: studio.revisions.append(replace(studio.revisions[-1], revision=2))
    assert mine.push(TARGET).revision == 3
    (warning,) = [event for event in told if isinstance(event, Warned)]
    assert "revision 2 is theirs" in warning.why


def test_a_stale_read_before_saving_is_read_again(studio: Studio) -> None:
    reconciler(studio).push(TARGET)
    reconciler(studio, "outcomes: {completed: [{say: Bye.}]}").push(TARGET)
    mine = reconciler(studio, "outcomes: {completed: [{say: Farewell.}]}")
    studio.stale_reads = 2
    assert mine.push(TARGET).revision == 3


def test_a_write_is_waited_for_until_reads_show_it(studio: Studio) -> None:
    """Studio is eventually consistent: the next command would make the flow once more, or save it once more."""
    reconciler(studio).push(TARGET)
    mine = reconciler(studio, "outcomes: {completed: [{say: Bye.}]}")
    studio.before_save = lambda: setattr(studio, "stale_reads", 4)
    mine.push(TARGET)
    assert studio.stale_reads == 0
    studio.before_save = lambda: setattr(studio, "stale_reads", 10**6)
    reconciler(studio).push(TARGET)
    assert len(studio.revisions) == 3, "reads that never catch up are given up"


def test_attaching_twice_is_no_change_however_the_flow_is_spelled(studio: Studio) -> None:
    trigger = {"name": "Trigger", "type": "trigger", "properties": {}, "transitions": [{"event": "incomingCall"}]}
    theirs = {"description": "theirs", "initial_state": "Trigger", "flags": {}, "states": [trigger]}
    sections = f"flow: {{attach_to: FW{'0' * 32}, after: Trigger.incomingCall}}"
    studio.respell = spell_out
    studio.save("Main menu", "published", theirs, "drawn")
    reconciler(studio, sections).push(TARGET)
    assert change(studio, sections) == ("unchanged", "same")
    assert studio.revisions[-1].friendly_name == "Main menu"
    detached: Any = reconciler(studio, sections).save_detached().definition
    assert [state["name"] for state in detached["states"]] == ["Trigger"]
