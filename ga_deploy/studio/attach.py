"""Insert our widgets into a flow that somebody else made, and take them out again.

The flow itself stores its earlier state: `ga_before` is a widget that is not connected. It lists our widgets, its exit
leads to the earlier target, and it records an exit that was not listed. When somebody renames a widget, the Console
renames targets too, so this stays correct; a record outside the flow would not.
"""

from __future__ import annotations

import copy
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ga_deploy.errors import DeployError
from ga_deploy.studio.definition import MOST_STATES, PREFIX, is_ours, offset_of
from ga_deploy.studio.exits import EXITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.studio.definition import Definition, State, Transition

ENTRY = f"{PREFIX}engage"
BEFORE = f"{PREFIX}before"
_OWNED = f"{PREFIX}widgets"
_UNLISTED = f"{PREFIX}unlisted"
_MARGIN = 480


@dataclass(frozen=True)
class Attachment:
    """The exit that leads to our widgets. `before` is its earlier target, None if it had none."""

    after: str
    before: str | None


def attach(definition: Definition, widgets: Sequence[State], after: str) -> Definition:
    """Return a copy of `definition` in which the exit `after` (`WIDGET.EVENT`) leads into `widgets`.

    All other states stay deep-equal. Widgets that an earlier run attached are replaced and keep their places on the
    canvas. `WIDGET.match` may be told apart as `WIDGET.match:LABEL` (the condition's
    friendly name) or `WIDGET.match:2` (counted from 1). An exit that the definition does not list but the widget has
    counts as not connected. Raises DeployError when the exit does not exist or is ambiguous, when a name is taken by a
    widget that is not ours, or when the flow would grow past Studio's limit.
    """
    owned = owned_by_us(definition)
    places = {state["name"]: offset_of(state) for state in definition["states"] if state["name"] in owned}
    result = detach(definition)
    _refuse_taken_names(result, [*widgets, _before([], None)])
    exits = sum(len(state["transitions"]) for state in result["states"])
    transition = _find_exit(result, after)
    unlisted = sum(len(state["transitions"]) for state in result["states"]) > exits
    beside = _right_of(result, after.partition(".")[0])
    previous = {"next": transition["next"]} if "next" in transition else {}
    transition["next"] = ENTRY
    for state in [
        *copy.deepcopy(list(widgets)),
        _before([widget["name"] for widget in widgets], previous, unlisted=unlisted),
    ]:
        x, y = offset_of(state)
        x, y = places.get(state["name"], (x + beside[0], y + beside[1]))
        state["properties"]["offset"] = {"x": x, "y": y}
        result["states"].append(state)
    if len(result["states"]) > MOST_STATES:
        raise DeployError(
            f"the flow would have {len(result['states'])} widgets",
            why=f"Studio allows {MOST_STATES}",
            fix="attach to a smaller flow, for instance a subflow",
        )
    return result


def _refuse_taken_names(definition: Definition, widgets: Sequence[State]) -> None:
    taken = sorted({state["name"] for state in definition["states"]} & {state["name"] for state in widgets})
    if taken:
        raise DeployError(
            f"the flow already has widgets named {', '.join(f'`{name}`' for name in taken)}",
            why=f"ga-deploy uses names that begin with `{PREFIX}` and would replace these widgets",
            fix="rename them in the Console, publish the flow, then attach again",
        )


def detach(definition: Definition) -> Definition:
    """Return a copy of `definition` without our widgets; exits into them get their earlier target again."""
    result = copy.deepcopy(definition)
    owned = owned_by_us(result)
    if not owned:
        return result
    before = next(state for state in result["states"] if state["name"] == BEFORE)
    previous = before["transitions"][0]
    unlisted = any(item.get("key") == _UNLISTED for item in _variables_of(before))
    result["states"] = [state for state in result["states"] if state["name"] not in owned]
    for state in result["states"]:
        if unlisted:
            state["transitions"] = [one for one in state["transitions"] if one.get("next") not in owned]
        for transition in state["transitions"]:
            if transition.get("next") in owned:
                if "next" in previous and previous["next"] not in owned:
                    transition["next"] = previous["next"]
                else:
                    del transition["next"]
    return result


def attached_at(definition: Definition) -> Attachment | None:
    """Return the exit that leads to our widgets in `definition`, or None if it has none of them."""
    owned = owned_by_us(definition)
    if not owned:
        return None
    before = next(state for state in definition["states"] if state["name"] == BEFORE)
    exits = [
        _label(state, transition)
        for state in definition["states"]
        if state["name"] not in owned
        for transition in state["transitions"]
        if transition.get("next") in owned
    ]
    return Attachment(after=", ".join(exits), before=before["transitions"][0].get("next") or None)


def owned_by_us(definition: Definition) -> frozenset[str]:
    """Return the names of the widgets that an earlier attach added to `definition`; empty if there was none."""
    before = next((state for state in definition["states"] if state["name"] == BEFORE), None)
    if not before or not before["transitions"] or before["type"] != "set-variables":
        return frozenset()
    listed = [item.get("value") for item in _variables_of(before) if item.get("key") == _OWNED]
    if len(listed) != 1 or not isinstance(listed[0], str):
        return frozenset()
    present = {state["name"] for state in definition["states"]}
    names = {name for name in listed[0].split() if is_ours(name)}
    return frozenset(names & present | {BEFORE})


def _variables_of(before: State) -> list[dict[str, object]]:
    variables = before["properties"].get("variables")
    return [item for item in variables if isinstance(item, dict)] if isinstance(variables, list) else []


def _before(owned: Sequence[str], previous: dict[str, str] | None, *, unlisted: bool = False) -> State:
    exit_ = cast("Transition", {"event": "next", **(previous or {})})
    variables = [{"key": _OWNED, "value": " ".join(owned)}, *([{"key": _UNLISTED, "value": "true"}] * unlisted)]
    return {
        "name": BEFORE,
        "type": "set-variables",
        "properties": {"variables": variables, "offset": {"x": 0, "y": -240}},
        "transitions": [exit_],
    }


def _right_of(definition: Definition, widget: str) -> tuple[int, int]:
    """Return a free corner of the canvas: right of everything, level with `widget`."""
    rightmost = max((offset_of(state)[0] for state in definition["states"]), default=0)
    level = next((offset_of(state)[1] for state in definition["states"] if state["name"] == widget), 0)
    return rightmost + _MARGIN, level


def _label(state: State, transition: Transition) -> str:
    conditions = transition.get("conditions")
    same = [other for other in state["transitions"] if other["event"] == transition["event"]]
    if len(same) > 1:
        names = [_condition_name(other) for other in same]
        mine = _condition_name(transition) if conditions else ""
        tag = mine if mine and names.count(mine) == 1 else str(same.index(transition) + 1)
        return f"{state['name']}.{transition['event']}:{tag}"
    return f"{state['name']}.{transition['event']}"


def _condition_name(transition: Transition) -> str:
    conditions = transition.get("conditions")
    return conditions[0].get("friendly_name", "") if conditions else ""


def _find_exit(definition: Definition, after: str) -> Transition:
    """Return the exit with that name; an exit that the widget has but does not list is added to its list."""
    widget, _, event = after.partition(".")
    names = [state["name"] for state in definition["states"]]
    state = next((state for state in definition["states"] if state["name"] == widget), None)
    if state is None:
        raise _no_exit(f"the flow has no widget `{widget}`", _nearest(widget, names))
    exits = {_label(state, transition): transition for transition in state["transitions"]}
    if after in exits:
        return exits[after]
    bare, _, tag = event.partition(":")
    same = [transition for transition in state["transitions"] if transition["event"] == bare]
    known = EXITS.get(state["type"], ())
    if not same and event in known:
        state["transitions"].append({"event": event})
        return state["transitions"][-1]
    if not same:
        there = dict.fromkeys([*exits, *(f"{widget}.{one}" for one in known)])
        raise _no_exit(f"widget `{widget}` has no exit `{bare}`", f"its exits are {', '.join(there) or 'none'}")
    if tag.isdecimal() and 1 <= int(tag) <= len(same):
        return same[int(tag) - 1]
    matching = [transition for transition in same if _condition_name(transition) == tag]
    if len(matching) == 1:
        return matching[0]
    raise _no_exit(f"widget `{widget}` has {len(same)} exits `{bare}`", f"name one of {', '.join(exits)}")


def _no_exit(what: str, why: str) -> DeployError:
    return DeployError(what, why=why, fix="set `flow.after` to WIDGET.EVENT of the flow in `flow.attach_to`")


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean `{near[0]}`?" if near else f"its widgets are {', '.join(names[:12])}"
