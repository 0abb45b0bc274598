"""Faults as data: which request meets what. Set in the constructor of the emulator or posted to `/_emulator/faults`.

A request is named by its method and its target: the path behind the product's name, with the query, as in
`/serverless/v1/Services/ZS…/Builds?PageSize=50`; deployed functions have `/site/engage`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from ga_deploy.emulator.core.problems import too_many_requests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Action = Literal["status", "drop", "malformed", "cut", "stall", "trickle", "endless", "latency", "foreign"]


@dataclass(frozen=True)
class Fault:
    """What happens to the `nth` matching request and the `times - 1` matching ones after it (`times` None: for ever).

    `action`:
    - `status`: answered with `status`, and `body` or what Twilio sends with that status (429: the odd JSON, 503: HTML)
    - `drop`: the connection is reset
    - `malformed`: the answer's JSON is broken
    - `cut`: half the answer's body, then the end of the connection
    - `stall`: nothing for `seconds`, then the connection is reset
    - `trickle`: a byte of a header every `seconds`, and never the answer
    - `endless`: the page of a list that promises one more page
    - `latency`: takes `seconds` longer
    - `foreign`: somebody else deploys `foreign` (see `foreign.deploy`) at that moment

    `processed` says whether the request takes effect before the fault (`malformed`, `cut` and `endless` always
    follow it).
    """

    action: Action
    method: str = ""
    path: str = ""
    nth: int = 1
    times: int | None = 1
    processed: bool = False
    status: int = 500
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 60.0
    foreign: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise ValueError(f"no such fault: {self.action!r}; there are {', '.join(get_args(Action))}")
        re.compile(self.path)
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")

    def matches(self, method: str, target: str) -> bool:
        """Tell whether a request is one that this fault counts."""
        return (not self.method or self.method.upper() == method) and re.search(self.path, target) is not None

    def answer(self) -> tuple[int, str, str]:
        """Return status, body and content type of a `status` fault."""
        if self.body is not None:
            return self.status, self.body, "application/json" if self.body[:1] in {"{", "["} else "text/html"
        if self.status == 429:
            return 429, json.dumps(too_many_requests()[1]), "application/json"
        if self.status in {502, 503, 504}:
            page = f"<html><head><title>{self.status}</title></head><body><h1>Service Unavailable</h1></body></html>"
            return self.status, page, "text/html"
        if self.status >= 500:
            return (
                self.status,
                json.dumps({"message": "Internal Server Error", "status": self.status}),
                "application/json",
            )
        body = {
            "code": 20000 + self.status,
            "message": f"Injected {self.status}",
            "more_info": f"https://www.twilio.com/docs/errors/{20000 + self.status}",
            "status": self.status,
        }
        return self.status, json.dumps(body), "application/json"


def read_fault(given: Mapping[str, Any]) -> Fault:
    """Return the fault that a JSON object describes; raises ValueError for one that says nothing or nonsense."""
    known = {entry.name for entry in dataclasses.fields(Fault)}
    if strange := sorted(set(given) - known):
        raise ValueError(f"a fault has no {', '.join(strange)}; it has {', '.join(sorted(known))}")
    if "action" not in given:
        raise ValueError("a fault needs an action")
    try:
        return Fault(**given)
    except (TypeError, re.error) as problem:
        raise ValueError(str(problem)) from None


@dataclass
class _Armed:
    fault: Fault
    seen: int = 0
    hits: int = 0


class FaultPlan:
    """The faults of one emulator, in order, and how often each has struck."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._armed = [_Armed(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        """Arm one more."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def strike(self, method: str, target: str) -> list[Fault]:
        """Count a request and return the faults it meets: all that only delay or deploy, and the first that ends it."""
        struck: list[Fault] = []
        ended = False
        for armed in self._armed:
            if not armed.fault.matches(method, target):
                continue
            armed.seen += 1
            last = None if armed.fault.times is None else armed.fault.nth + armed.fault.times - 1
            if armed.seen < armed.fault.nth or (last is not None and armed.seen > last):
                continue
            ends = armed.fault.action not in {"latency", "foreign"}
            if ends and ended:
                continue
            ended = ended or ends
            armed.hits += 1
            struck.append(armed.fault)
        return struck

    def describe(self) -> list[dict[str, Any]]:
        """Return every fault with how many requests matched it (`seen`) and how many it struck (`hits`)."""
        return [{**dataclasses.asdict(armed.fault), "seen": armed.seen, "hits": armed.hits} for armed in self._armed]
