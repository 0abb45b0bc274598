"""A plan as text. It is aligned, and as readable without colour as with it. This module only draws."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ga_deploy.model.plan import Action, Change, Plan, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.text import Text

_SIGN = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.KEEP: "·", Action.UNCHANGED: " "}
_STYLE = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red"}
_GROUPS = (
    ("Service", ("service", "environment")),
    ("Functions", ("function", "asset")),
    ("Dependencies", ("dependency", "runtime")),
    ("Variables", ("variable",)),
    ("Build and deployment", ("build", "deployment")),
    ("Flow", ("flow",)),
    ("Numbers", ("number",)),
    ("Record", ("release",)),
)
_VERBS = (
    (Action.CREATE, "to create"),
    (Action.UPDATE, "to update"),
    (Action.DELETE, "to remove"),
    (Action.KEEP, "kept"),
    (Action.UNCHANGED, "unchanged"),
)
# If more resources of a group stay unchanged for the same reason, they share one line.
_FEW = 3
_LEAVING = {Reason.KEPT_ONE_RELEASE, Reason.KEPT_FOR_NUMBERS, Reason.KEPT_FOR_FLOW, Reason.KEPT_UNTIL_BUILD}
_WIDTH = 100

# The reasons of a plan, in sentences; the address of the change is their subject.
EXPLANATIONS: Mapping[Reason, str] = {
    Reason.MISSING: "does not exist yet",
    Reason.NOT_LIVE: "is not in the live build",
    Reason.SOURCE_DIFFERS: "its source differs from the deployed one",
    Reason.VISIBILITY_DIFFERS: "its visibility differs from the deployed one",
    Reason.VERSION_DIFFERS: "its version differs from the one in the live build",
    Reason.VALUE_DIFFERS: "its value differs",
    Reason.RUNTIME_DIFFERS: "the config has another runtime",
    Reason.SETTING_DIFFERS: "the config has another value for this setting",
    Reason.CONTENT_DIFFERS: "functions, assets, dependencies or the runtime change",
    Reason.DEFINITION_DIFFERS: "its definition differs from the newest revision",
    Reason.NEW_BUILD: "a new build goes live",
    Reason.TARGET_DIFFERS: "points somewhere else",
    Reason.NOT_RECORDED: "the record lacks the live deployment",
    Reason.NEW_RELEASE: "records this deployment",
    Reason.REMOVED: "no longer in the config",
    Reason.KEPT_ONE_RELEASE: "no longer in the config; stays for one release, for calls in progress",
    Reason.KEPT_FOR_NUMBERS: "no longer in the config; a number still points at it",
    Reason.KEPT_FOR_FLOW: "no longer in the config; a flow still calls it",
    Reason.KEPT_UNTIL_BUILD: "no longer in the config; the next build leaves it out",
    Reason.KEPT_LONG_ENOUGH: "no longer in the config; it has stayed for one release",
    Reason.FOREIGN: "belongs to others; kept",
    Reason.FOREIGN_IN_THE_WAY: "belongs to others; the config would replace it",
    Reason.ADOPTED: "existed already; adopted",
    Reason.SAME: "unchanged",
    Reason.PLATFORM: "set by Twilio",
}


def draw_plan(plan: Plan) -> Text:
    """Return the plan as text: a line for each change with its reason, and short lines for everything else."""
    from rich.text import Text

    text = Text()
    text.append(f"{plan.service} / {plan.environment}", style="bold")
    where = f"  account {plan.account_sid}" + (f"  region {plan.region}" if plan.region else "")
    text.append(where, style="dim")
    text.append(f"\n{f'https://{plan.domain_name}' if plan.domain_name else 'Domain: assigned on first deploy'}\n")
    width = max((len(_label(change)) for change in plan.changes), default=0)
    for title, kinds in _GROUPS:
        changes = [change for kind in kinds for change in plan.of(kind)]
        if changes:
            text.append(f"\n{title}\n", style="bold")
            for line in _draw_group(changes, min(width, 48)):
                text.append_text(line)
    text.append(f"\n{summarise(plan)}")
    return text


def summarise(plan: Plan) -> str:
    """Return the counts as one sentence."""
    if plan.is_empty:
        return _summarise_empty(plan)
    counts = [(len([c for c in plan.changes if c.action is action]), verb) for action, verb in _VERBS]
    return f"Plan: {', '.join(f'{count} {verb}' for count, verb in counts if count)}."


def _summarise_empty(plan: Plan) -> str:
    others = sum(change.reason is Reason.FOREIGN for change in plan.changes)
    leaving = sum(change.reason in _LEAVING for change in plan.changes)
    matching = len(plan.changes) - others - leaving
    parts = [f"{matching} {'resource matches' if matching == 1 else 'resources match'} the config"]
    if leaving:
        parts.append(f"{leaving} no longer in the config {'stays' if leaving == 1 else 'stay'} for now")
    if others:
        parts.append(f"{others} {'belongs' if others == 1 else 'belong'} to others")
    return f"No changes: {', '.join(parts)}."


def explain(change: Change) -> str:
    """Return the reason of a change in words."""
    words = EXPLANATIONS[change.reason]
    if change.reason is Reason.TARGET_DIFFERS and change.kind == "number" and not _leads_anywhere(change.before):
        words = "not bound yet"
    if change.kind == "dependency" and change.before and change.after and change.is_write:
        words = f"{words}: {change.before.get('version')} → {change.after.get('version')}"
    if change.kind == "runtime" and change.before and change.is_write and change.after:
        words = f"{words}: {change.before.get('runtime')} → {change.after.get('runtime')}"
    if change.consent:
        words = f"{words} (needs confirmation)"
    return f"{words}; {change.detail}" if change.detail else words


def _leads_anywhere(settings: Mapping[str, object] | None) -> bool:
    return any((settings or {}).get(name) for name in ("voice_url", "voice_application_sid", "trunk_sid"))


def _draw_group(changes: list[Change], width: int) -> Iterable[Text]:
    for change in changes:
        if change.is_write:
            yield _draw_line(change, width)
    still = [change for change in changes if not change.is_write]
    for reason in dict.fromkeys(change.reason for change in still):
        same = [change for change in still if change.reason is reason]
        if len(same) <= _FEW or reason in _LEAVING:
            for change in same:
                yield _draw_line(change, width)
        else:
            yield _draw_many(same, reason)


def _draw_line(change: Change, width: int) -> Text:
    from rich.text import Text

    line = Text(f"  {_SIGN[change.action]} ", style=_STYLE.get(change.action, "dim"))
    line.append(f"{_label(change):<{width}}", style="default" if change.is_write else "dim")
    line.append(f"  {explain(change)}\n", style="default" if change.is_write else "dim")
    return line


def _draw_many(changes: list[Change], reason: Reason) -> Text:
    from rich.text import Text

    names = ", ".join(_label(change) for change in changes)
    head = f"  {_SIGN[changes[0].action]} {len(changes)} {EXPLANATIONS[reason]}: "
    lines = textwrap.wrap(names, _WIDTH, initial_indent=head, subsequent_indent="      ", break_on_hyphens=False)
    return Text("\n".join(lines) + "\n", style="dim")


def _label(change: Change) -> str:
    if change.kind in {"build", "deployment"}:
        return change.kind
    if change.kind == "runtime":
        shown = change.after or change.before or {}
        return f"runtime {shown.get('runtime')}"
    if change.kind == "dependency":
        shown = change.after or change.before or {}
        return f"{change.name} {shown.get('version')}"
    if change.kind == "asset":
        return f"asset {change.name}"
    if change.kind == "environment":
        return f"environment {change.name}"
    return change.name
