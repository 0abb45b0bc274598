"""What runs beside a call: the streams, recordings and transcriptions that Start begins and Stop ends.

None of them is opened here: nobody but the config's own functions and its ASAPP is asked in a simulation. What Twilio
would refuse about them is said. Source: Twilio docs, `<Start>`, `<Stop>`, `<Stream>`, `<Siprec>`, `<Transcription>`,
`<Recording>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.twilio_rules.check import find_breaks

if TYPE_CHECKING:
    from ga_deploy.simulate.interpreter.twiml import Element


class Beside:
    """What runs beside one call. Both methods return what to put on record: a kind and a label each.

    `start` adds what began, which is None where nothing did.
    """

    def __init__(self) -> None:
        self._running: list[tuple[str, str]] = []

    def start(self, verb: Element) -> list[tuple[str, str, Element | None]]:
        """Begin what a Start names; the call goes on at once."""
        if not verb.children:
            return [("warning", "`Start` without anything to start does nothing", None)]
        said: list[tuple[str, str, Element | None]] = []
        for noun in verb.children:
            problem = self._refuse(noun)
            if problem:
                said.append(("error", problem, None))
                continue
            self._running.append((noun.name, noun.get("name")))
            said.append(("start", f"{_describe(noun)} begins beside the call, and is not opened here", noun))
        return said

    def stop(self, verb: Element) -> list[tuple[str, str]]:
        """End what a Stop names: by its name, or else whatever of its kind began last."""
        said = []
        for noun in verb.children:
            name = noun.get("name")
            found = [one for one in self._running if one[0] == noun.name and name in {"", one[1]}]
            if found:
                self._running.remove(found[-1])
                said.append(("stop", f"{_describe(noun)} ends"))
            else:
                said.append(("warning", f"`Stop`: {_describe(noun)} was never started"))
        return said

    def _refuse(self, noun: Element) -> str:
        name = noun.get("name")
        if name and (noun.name, name) in self._running:
            return f"`Start`: a {noun.name} named `{name}` runs already"
        refused = [str(one) for one in find_breaks((noun,), ("Start",)) if one.row.refused]
        return refused[0] if refused else ""


def _describe(noun: Element) -> str:
    """Name it without the URL, which may hold a token."""
    name = f" `{noun.get('name')}`" if noun.get("name") else ""
    if noun.name != "Stream":
        return f"a {noun.name}{name}"
    host = urlsplit(noun.get("url")).hostname
    return f"a one-way Stream{name}" + (f" to {host}" if host else "")
