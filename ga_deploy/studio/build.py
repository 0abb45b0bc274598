"""Builds a Studio flow from the config's destinations and outcomes.

    Trigger ─▶ ga_engage (TwiML Redirect to /flow/engage; comes back when GenerativeAgent is done)
            ─▶ ga_transfer (Run Function /flow/call-transfer: how it ended, as JSON)
            ─▶ ga_outcome (Split) ─▶ one branch an outcome: say, play, connect, enqueue … ─▶ ga_exhausted…
                     └─ pending: ask again (the function bounds it)   └─ reconnect: engage once more (so does it)

If Studio has no widget for a step, a TwiML Redirect hands this step and all later ones to our functions (`branches`).
Profiles with other outcomes, voice or waiting get their own branches.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.config.steps import Play
from ga_deploy.config.waiting import steps_of_waiting
from ga_deploy.errors import ConfigInvalid, DeployError, Finding
from ga_deploy.plain_file import read_plain_text
from ga_deploy.studio import widgets
from ga_deploy.studio.attach import ENTRY, attach
from ga_deploy.studio.branches import ENGAGE, OUTCOMES, TRANSFER, Branches, Scope
from ga_deploy.studio.canvas import safe_name
from ga_deploy.studio.definition import PREFIX, parse_definition
from ga_deploy.studio.liquid import TRANSFER_RESULT, engage_query, is_plain, query_parameters, transfer_fields

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config
    from ga_deploy.studio.definition import Definition, State, Transition

_COLUMN, _ROW = 360, 240


@dataclass(frozen=True)
class FlowTarget:
    """The deployment that a definition belongs to; the SIDs are for the function picker of the Console."""

    domain_name: str
    service_sid: str
    environment_sid: str
    call_transfer_sid: str


def describe_flow(config: Config) -> str:
    """Return the description of our own flow; a later run recognizes the flow by it."""
    return describe_owner(config.service.name, config.environment.name)


def describe_owner(service: str, environment: str) -> str:
    """Return the description of the flows that were made for an environment of a service."""
    return f"GenerativeAgent calls; made by ga-deploy for {service}, environment {environment}"


def add_owner(description: str, owner: str) -> str:
    """Return the description of another owner's flow with ours appended; a later run recognizes the flow by it."""
    if not description.strip() or is_described(description, owner):
        return description.strip() or owner
    return f"{description.strip()} ({owner})"


def is_described(description: object, owner: str) -> bool:
    """Tell whether a description says that the flow was made for `owner` (see `describe_owner`)."""
    return isinstance(description, str) and (description == owner or description.endswith(f"({owner})"))


def build_flow(config: Config, target: FlowTarget, base: Definition | None = None) -> Definition:
    """Return the whole flow. With a `base` (a flow exported from the Console), ours is inserted at `flow.after`.

    The same config and target give the same definition, byte for byte. Raises ConfigInvalid if inserting fails.
    """
    fragment = build_fragment(config, target)
    if base is not None:
        try:
            flow = attach(base, fragment, config.flow.after or "Trigger.incomingCall")
        except DeployError as problem:
            raise _invalid(config, "after", problem) from problem
        flow["description"] = add_owner(str(base.get("description") or ""), describe_flow(config))
        return flow
    start = widgets.trigger(ENTRY)
    start["properties"]["offset"] = {"x": _trunk(fragment), "y": -_ROW}
    return {
        "description": describe_flow(config),
        "states": [start, *fragment],
        "initial_state": "Trigger",
        "flags": {"allow_concurrent_calls": True},
    }


def read_base(config: Config) -> Definition | None:
    """Return the flow in the file `flow.base`, None if the config has none; raises ConfigInvalid if it is no flow."""
    path = config.flow.base
    if path is None:
        return None
    try:
        return parse_definition(json.loads(read_plain_text(path)), where=path.name)
    except (OSError, ValueError, RecursionError) as problem:
        unreadable = DeployError(
            f"the flow {path.name} cannot be read",
            why=str(problem),
            fix="export it in the Console (Trigger widget, Show Flow JSON) into this file",
        )
        raise _invalid(config, "base", unreadable) from problem
    except DeployError as problem:
        raise _invalid(config, "base", problem) from problem


def _invalid(config: Config, key: str, problem: DeployError) -> ConfigInvalid:
    return ConfigInvalid((Finding(problem.what, problem.why, problem.fix, config.place("flow", key)),))


def build_fragment(config: Config, target: FlowTarget) -> list[State]:
    """Return our widgets without a trigger, to be attached to a flow; the first one is where a call enters."""
    base = Scope("", config.voice, config.waiting, config.outcomes)
    scopes = [base]
    for name, profile in config.profiles.items():
        if (profile.voice, profile.waiting, profile.outcomes) != (base.voice, base.waiting, base.outcomes):
            scopes.append(Scope(name, profile.voice, profile.waiting, profile.outcomes))
    branches = Branches(config, target.domain_name)
    column = 0
    outcome_splits: dict[str, str] = {}
    for scope in scopes:
        outcome_splits[scope.profile] = _add_outcomes(branches, scope, column)
        column = branches.next_column
    middle = max(0, branches.next_column - 1) // 2
    unknown = {scope.profile: branches.entry(scope, "unknown") for scope in scopes}
    failed = branches.entry(base, "failed")
    decide = _by_profile(branches, f"{PREFIX}profile", outcome_splits, (middle, 2))
    lost = _by_profile(branches, f"{PREFIX}lost", unknown, (middle + 1, 1))
    trunk = [
        (_engage(config, target, unknown[""], failed), (middle, 0)),
        (_transfer(config, target, decide, lost), (middle, 1)),
    ]
    for state, (x, y) in [*trunk, *branches.placed]:
        state["properties"]["offset"] = {"x": x * _COLUMN, "y": y * _ROW}
    return _in_order([state for state, _ in [*trunk, *branches.placed]])


def _in_order(states: list[State]) -> list[State]:
    """Return the widgets that a call can reach from the first one, nearest first.

    After a redirect to our functions, they run all later steps; the widgets for these steps are left out.
    """
    by_name = {state["name"]: state for state in states}
    ordered = {states[0]["name"]: states[0]}
    queue = [states[0]]
    for state in queue:
        for transition in state["transitions"]:
            target = transition.get("next")
            if target and target not in ordered:
                ordered[target] = by_name[target]
                queue.append(by_name[target])
    return list(ordered.values())


def _engage(config: Config, target: FlowTarget, unknown: str | None, failed: str | None) -> State:
    url = f"https://{target.domain_name}{config.flow.engage.path}?{engage_query(config)}"
    return widgets.redirect(
        ENGAGE, url, {"return": TRANSFER, "timeout": unknown, "fail": failed}, timeout=widgets.LONGEST_CALL
    )


def _transfer(config: Config, target: FlowTarget, decide: str | None, lost: str | None) -> State:
    sids = {
        "service_sid": target.service_sid,
        "environment_sid": target.environment_sid,
        "function_sid": target.call_transfer_sid,
    }
    parameters = {
        **{name: f"{{{{trigger.call.{name}}}}}" for name in transfer_fields(config)},
        "transfer": f"{{{{widgets.{ENGAGE}.transferId}}}}",
        "outcome": f"{{{{widgets.{ENGAGE}.outcome}}}}",
        "profile": f"{{{{widgets.{ENGAGE}.profile}}}}",
        # Set only while the result is pending, so a second conversation of the same call starts a new wait.
        "since": f"{{{{{TRANSFER_RESULT}.since}}}}",
        "seen": f"{{{{{TRANSFER_RESULT}.seen}}}}",
        **query_parameters(config),
    }
    # Left out before the first deployment: the Console accepts a missing picker, but not an invalid SID.
    known = {name: sid for name, sid in sids.items() if sid}
    url = f"https://{target.domain_name}{config.flow.call_transfer.path}"
    return widgets.run_function(TRANSFER, url, known, parameters, success=decide or ENGAGE, fail=lost)


def _add_outcomes(branches: Branches, scope: Scope, column: int) -> str:
    """Add the split on the outcome and all its branches, from `column` to the right; return the split's name."""
    pending = TRANSFER
    for at, step in enumerate(reversed(steps_of_waiting(scope.waiting, scope.voice))):
        place = (column + at, 3)
        if isinstance(step, Play):
            pending = branches.put(widgets.play(scope.name("waiting_play"), step.url, pending), place)
        elif is_plain(step.text):
            voice, language = scope.voice.name, scope.voice.language
            pending = branches.put(widgets.say(scope.name("waiting_say"), step.text, voice, language, pending), place)
    branches.add_all(scope, column, top=5)
    value = f"{{{{widgets.{TRANSFER}.parsed.outcome}}}}"
    exits: list[Transition] = [
        widgets.match("pending", value, "pending", pending),
        widgets.match("reconnect", value, "reconnect", ENGAGE),
        *(widgets.match(outcome, value, outcome, branches.entry(scope, outcome)) for outcome in OUTCOMES),
    ]
    middle = (column + branches.next_column - 1) // 2
    return branches.put(
        widgets.split(scope.name("outcome"), value, exits, otherwise=branches.entry(scope, "unknown")), (middle, 4)
    )


def _by_profile(
    branches: Branches, name: str, targets: dict[str, str] | dict[str, str | None], place: tuple[int, int]
) -> str | None:
    """Return the widget that chooses by profile: a split if profiles differ, else the one target."""
    if len(targets) == 1:
        return targets[""]
    value = f"{{{{widgets.{ENGAGE}.profile}}}}"
    exits = [
        widgets.match(safe_name(profile), value, profile, target) for profile, target in targets.items() if profile
    ]
    return branches.put(widgets.split(name, value, exits, otherwise=targets[""]), place)


def _trunk(fragment: list[State]) -> int:
    offset = fragment[0]["properties"]["offset"]
    return int(offset["x"]) if isinstance(offset, dict) else 0
