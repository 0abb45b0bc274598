"""Compares two definitions in the terms of the Console: widgets and their exits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.redact import redact
from ga_deploy.studio.definition import strip_offset

if TYPE_CHECKING:
    from ga_deploy.studio.definition import Condition, Definition, State, Transition

_LOOSE = "(ends the call)"


@dataclass(frozen=True)
class FlowDiff:
    """The differences between two definitions; places on the canvas do not count.

    `changed` maps the name of a widget to one line for each property or exit that differs.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]
    settings: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.settings)

    def summary(self) -> str:
        """Return the numbers of added, changed and removed widgets as text."""
        parts = {"added": len(self.added), "changed": len(self.changed), "removed": len(self.removed)}
        counted = ", ".join(f"{count} {word}" for word, count in parts.items() if count)
        return f"widgets: {counted}" if counted else ""

    def lines(self) -> list[str]:
        """Return the whole diff, a line each, as `+`, `-` and `~`."""
        result = [f"~ {line}" for line in self.settings]
        result += [f"- {name}" for name in self.removed]
        result += [f"~ {name}: {line}" for name, lines in self.changed.items() for line in lines]
        return result + [f"+ {name}" for name in self.added]


def diff_definitions(live: Definition | None, wanted: Definition) -> FlowDiff:
    """Compare the live definition (None: there is none) with the wanted one.

    Additional keys of `live` count only in widgets that both have, and only with a value that is not empty: a platform
    may fill in its defaults when it returns a definition.
    """
    before = {state["name"]: state for state in live["states"]} if live else {}
    after = {state["name"]: state for state in wanted["states"]}
    changed: dict[str, tuple[str, ...]] = {}
    for name, state in after.items():
        if name in before:
            lines = _diff_state(strip_offset(before[name]), strip_offset(state))
            if lines:
                changed[name] = tuple(lines)
    return FlowDiff(
        added=tuple(f"{name} ({after[name]['type']})" for name in after if name not in before),
        removed=tuple(f"{name} ({before[name]['type']})" for name in before if name not in after),
        changed=changed,
        settings=tuple(_diff_settings(live, wanted)) if live else (),
    )


def _diff_settings(live: Definition, wanted: Definition) -> list[str]:
    pairs = {
        "description": (live.get("description", ""), wanted["description"]),
        "initial_state": (live.get("initial_state"), wanted["initial_state"]),
        "flags": (live.get("flags", {}), wanted.get("flags", {})),
    }
    return [f"{key}: {_show(old)} → {_show(new)}" for key, (old, new) in pairs.items() if old != new]


def _diff_state(before: State, after: State) -> list[str]:
    lines = [] if before["type"] == after["type"] else [f"type: {before['type']} → {after['type']}"]
    old, new = before["properties"], after["properties"]
    keys = [*new, *(key for key, value in old.items() if key not in new and value not in (None, "", [], {}))]
    lines += [f"{key}: {_show(old.get(key))} → {_show(new.get(key))}" for key in keys if old.get(key) != new.get(key)]
    exits_before, exits_after = _exits(before), _exits(after)
    for label in [*exits_after, *(label for label in exits_before if label not in exits_after)]:
        lines += _diff_exit(label, exits_before.get(label), exits_after.get(label))
    if not lines and _match_order(before) != _match_order(after):
        lines.append("the conditions are tried in another order")
    return lines


def _diff_exit(label: str, before: Transition | None, after: Transition | None) -> list[str]:
    old = (before.get("next") or _LOOSE) if before else None
    new = (after.get("next") or _LOOSE) if after else None
    # An exit without a target and an exit that is not listed mean the same.
    if (old or _LOOSE) != (new or _LOOSE) or ((old is None) != (new is None) and label.startswith("match")):
        return [f"{label}: {old or _LOOSE} → {new or _LOOSE}"]
    if before and after and (before.get("conditions") or []) != (after.get("conditions") or []):
        return [f"{label}: {_conditions(before)} → {_conditions(after)}"]
    return []


def _exits(state: State) -> dict[str, Transition]:
    """Return a widget's exits by label: the event, and the condition of a `match`."""
    result: dict[str, Transition] = {}
    for transition in state["transitions"]:
        conditions = transition.get("conditions") or []
        label = (
            f"{transition['event']} [{conditions[0].get('friendly_name', '')}]" if conditions else transition["event"]
        )
        number = 2
        unique = label
        while unique in result:
            unique, number = f"{label} #{number}", number + 1
        result[unique] = transition
    return result


def _match_order(state: State) -> list[str]:
    return [label for label in _exits(state) if label.startswith("match")]


def _conditions(transition: Transition) -> str:
    return " and ".join(_condition(condition) for condition in transition.get("conditions") or [])


def _condition(condition: Condition) -> str:
    return f"{' '.join(condition.get('arguments', []))} {condition.get('type')} {condition.get('value')!r}"


def _show(value: object) -> str:
    # Masked before it is cut: a part of a secret would not be recognized.
    text = "nothing" if value is None else redact(str(value) if isinstance(value, str) else repr(value))
    return text if len(text) <= 120 else text[:117] + "…"
