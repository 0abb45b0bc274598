"""A scenario: one kind of call, what everybody in it does, and what the caller must go through. Plain values.

`file` reads scenario files; docs/simulate.md describes their language.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ga_deploy.simulate.judge.verdict import Expectation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.errors import Place
    from ga_deploy.simulate.interpreter.plan import HangUp, Page, Reaction

Json = Any
# What takes its real time: nothing, the media streams, or everything (ringing and talking too).
Pace = Literal["fast", "stream", "real"]
ForEach = Literal["", "destination", "voicemail", "text", "profile", "voice"]


@dataclass(frozen=True)
class AsappScript:
    """What ASAPP does in this call. Its language is the mock's: a script by name or written out, and faults.

    None of it applies to a live ASAPP.
    """

    script: str | Mapping[str, Json] = "agent"
    faults: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True)
class CallerScript:
    """What the caller does.

    `says` is a WAV file or the name of a shipped voice. `barge_in_after`: it is said when the agent has been speaking
    for so many seconds; else when the agent has finished. `menu_keys` answer menus before the agent, one text for each;
    the config's `flow.base_keys` if there are none. `ends_message` is how a voicemail ends: `nothing` leaves none.
    Noise, loss and jitter are the line's.
    """

    hang_up: HangUp | None = None
    ends_message: Literal["hang-up", "key", "nothing"] = "hang-up"
    says: str = ""
    keys: str = ""
    menu_keys: tuple[str, ...] = ()
    barge_in_after: float | None = None
    noise_dbfs: float | None = None
    loss: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 1


@dataclass(frozen=True)
class DeploymentFault:
    """How the deployment differs from the config in this scenario.

    `all_closed` and `all_open` put every destination outside its hours, or leave the hours away; `agent_closed` puts
    the agent itself outside its hours, which it never is otherwise. `broken` names
    functions (`engage`, `call_complete`, `stream_status`) that do as `how` says. `send_to` makes every ending lead to
    that one destination, `steps_of` gives every ending the steps of that one. `variables` overrides environment
    variables, e.g. GA_ENABLED.
    """

    broken: tuple[str, ...] = ()
    how: Literal["throws", "hangs", "text", "empty", "json"] = "throws"
    all_closed: bool = False
    all_open: bool = False
    agent_closed: bool = False
    send_to: str = ""
    steps_of: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """One kind of call.

    `placed`: the account placed the call, `from_number` is whom it called. `sip`: the caller comes in over SIP;
    `client`: out of an app, where neither side has a number. `asks_after_refusal` as in `CallPlan`.
    `file` says where it was read from, and `places` where in it the values stand that others have to know;
    `only_if` names features that the config must have.
    """

    name: str
    title: str
    file: str = ""
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    tags: tuple[str, ...] = ()
    for_each: ForEach = ""
    only_if: tuple[str, ...] = ()
    from_number: str = "+15550123456"
    to_number: str = ""
    profile: str = ""
    sip: bool = False
    client: bool = False
    placed: bool = False
    asks_after_refusal: bool = True
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    repeat_webhooks: bool = False
    asapp: AsappScript = field(default_factory=AsappScript)
    caller: CallerScript = field(default_factory=CallerScript)
    reactions: tuple[Reaction, ...] = ()
    reactions_by_name: Mapping[str, Reaction] = field(default_factory=dict)
    deployment: DeploymentFault = field(default_factory=DeploymentFault)
    fallback: Page | None = None
    pace: Pace = "fast"
    expect: Expectation = field(default_factory=Expectation)
