"""What the deployed functions are meant to do, as plain data: destinations, steps of each ending, inputs.

The command line makes it out of a config and hands it in; nothing here knows the config. The judge
compares calls with it, and it is a second reading of the config language, independent of the functions'
own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Mapping

StepKind = Literal["say", "play", "pause", "notify", "sms", "send", "hangup"]


@dataclass(frozen=True)
class Lookup:
    """A value that is looked up at call time: `name` such as `call.From` or `outcome.currentTaskName`."""

    name: str
    default: str | None = None
    map: Mapping[str, str] | None = None

    def resolve(self, facts: Mapping[str, str]) -> str | None:
        """Return the value; None when there is none. `facts` has the names as they are written."""
        value: str | None = facts.get(self.name) or None
        if value is not None and self.map is not None:
            value = self.map.get(value)
        return self.default if value is None else value


Value = str | Lookup


@dataclass(frozen=True)
class Step:
    """A step of an ending or a greeting. `text` is what is said or sent, or the URL that is played.

    Whoever is sent a text is `to`, or found `by` a value.
    """

    kind: StepKind
    text: str = ""
    to: str | None = None
    by: Lookup | None = None
    map: Mapping[str, str] | None = None
    default: str | None = None


@dataclass(frozen=True)
class Destination:
    """A place where a caller may be sent.

    `address` is written as in TwiML; voicemail has none, and TwiML names the destination itself. `limited`: it has
    opening hours. `says`: the text before voicemail's tone. `needs_sip`: only a call over SIP can go there. `notifies`
    is the web hook that is told of a message. `terms` are those under which somebody is rung, as `Route` has them, the
    caller id excepted: `caller_id` is `called`, `caller` or a number, empty where none is shown. `attributes` are the
    task's.
    """

    name: str
    kind: str
    address: str
    limited: bool = False
    says: str = ""
    needs_sip: bool = False
    notifies: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)
    caller_id: str = ""
    attributes: Mapping[str, object] | None = None

    def is_meant_by(self, kind: str, address: str) -> bool:
        """Tell whether TwiML with this kind and address means this destination; voicemail's action holds its name."""
        if kind != self.kind:
            return False
        if not self.address:
            return self.name in parse_qs(address).get("to", [self.name])
        return self.address.partition("?")[0] == address.partition("?")[0]


@dataclass(frozen=True)
class ProfileBehaviour:
    """How one profile handles calls; the default is the profile named by the empty string.

    `recording` holds the attributes of the recording, and is None where calls are not recorded.
    """

    greeting: tuple[Step, ...] = ()
    outcomes: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    stream_parameters: Mapping[str, Value] = field(default_factory=dict)
    reconnects: int = 1
    waiting: tuple[Step, ...] = ()
    waiting_seconds: float = 0.0
    recording: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Deployment:
    """A deployment to ring: where its engage function answers, and what is meant to happen then.

    `engage_url` has no query. `numbers` gives for each bound number its profile; the fallback is the
    first number's. `own_hosts` are those, beside the engage URL's, where a redirect stays with us.
    `through_flow`: a Studio flow stands in front of the functions. Where that is somebody's own with ours in it,
    `enters_at` is the path of the function with which our part begins: what is heard before is not judged, and
    `menu_keys` answer its menus, one text for each that a caller meets. With hooks of the user's own, the agent may
    get more than `stream_parameters` lists (`hooks_add_input`), and an ending may have other steps
    (`hooks_choose_steps`).
    `account_number` is shown, and writes texts, where a call has no number of the account. `static_fallback`:
    `fallback_url` is the config's own static document, whose steps each profile has as the outcome `fallback`.
    """

    engage_url: str
    account_sid: str
    behaviours: Mapping[str, ProfileBehaviour]
    destinations: Mapping[str, Destination]
    numbers: Mapping[str, str] = field(default_factory=dict)
    fallback_url: str = ""
    fallback_method: str = "POST"
    own_hosts: frozenset[str] = frozenset()
    through_flow: bool = False
    enters_at: str = ""
    menu_keys: tuple[str, ...] = ()
    hooks_add_input: bool = False
    hooks_choose_steps: bool = False
    account_number: str = ""
    static_fallback: bool = False

    def find(self, kind: str, address: str) -> str:
        """Return the name of the destination of this kind and address; empty if the config lists none."""
        return next((one.name for one in self.destinations.values() if one.is_meant_by(kind, address)), "")

    def choose(self, step: Step, facts: Mapping[str, str]) -> Destination | None:
        """Return the listed destination that a `send` leads to with these facts, if it leads anywhere."""
        value = step.by.resolve(facts) if step.by else step.to
        chosen = step.map.get(value or "") if step.map is not None else value
        named = self.destinations.get(chosen or "")
        return named or self.destinations.get(step.default or "")
