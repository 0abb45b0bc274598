"""What a called party hears before the two are connected: the document behind the `url` of a Number, Sip or Client.

Sources: Twilio docs, `<Number>` ("url"), `<Sip>`, `<Client>`, error 13201; what they leave open is in
docs/unverified.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ga_deploy.simulate.interpreter.twiml import Element, TwimlDocument, count_loops, read_whole_number, resolve
from ga_deploy.twilio_rules.speech import estimate_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOUND_SECONDS = 5.0
_MOST_DOCUMENTS = 10


class CalledLine(Protocol):
    """The called party's end of the line."""

    async def ask(self, url: str, method: str, parameters: Mapping[str, str]) -> TwimlDocument:
        """Fetch a document for the called party's leg."""

    async def hear(self, label: str, seconds: float, text: str = "") -> None:
        """Let the called party hear something; the caller waits meanwhile."""

    def note(self, kind: str, label: str) -> None:
        """Put an error or a warning on record."""


@dataclass(frozen=True)
class _Next:
    """The next document of the whisper."""

    url: str
    method: str
    parameters: Mapping[str, str]


async def whisper(line: CalledLine, url: str, method: str, keys: str) -> bool:
    """Play the document at `url` to the called party; True if caller and called party are then connected.

    `keys` are the keys that the called party presses at a Gather. The two are connected at the end of the document. A
    Hangup, a Reject or an answer that is not TwiML ends the called party's leg.
    """
    goto: _Next | bool = _Next(url, method, {})
    for _ in range(_MOST_DOCUMENTS):
        if isinstance(goto, bool):
            return goto
        answer = await line.ask(goto.url, goto.method, goto.parameters)
        if answer.kind == "twiml":
            goto = await _carry_out(line, answer.verbs, goto.url, keys)
        elif answer.kind == "error":
            return False
        else:
            # Text and sounds are played, then Twilio hangs up, here as anywhere.
            await line.hear(answer.speech or "a sound", _last(answer.speech), answer.speech)
            return False
    line.note("error", f"endless: a whisper of more than {_MOST_DOCUMENTS} documents")
    return False


async def _carry_out(line: CalledLine, verbs: tuple[Element, ...], base: str, keys: str) -> _Next | bool:
    for verb in verbs:
        match verb.name:
            case "Say" | "Play" | "Pause":
                await _speak(line, verb)
            case "Gather":
                for prompt in verb.children:
                    await _speak(line, prompt)
                if keys:
                    return _Next(resolve(base, verb.get("action")), _method(verb), {"Digits": keys})
                await line.hear("the called party presses nothing", float(read_whole_number(verb.get("timeout"), 5)))
                if verb.get("actionOnEmptyResult").lower() == "true":
                    return _Next(resolve(base, verb.get("action")), _method(verb), {"Digits": ""})
            case "Redirect":
                return _Next(resolve(base, verb.text), _method(verb), {})
            case "Hangup" | "Reject":
                return False
            case "Dial":
                line.note("error", "13201: Dial: cannot dial out from a whisper")
                return False
            case other:
                line.note("warning", f"`{other}` in a whisper is not simulated and skipped")
    return True


async def _speak(line: CalledLine, verb: Element) -> None:
    if verb.name == "Say":
        await line.hear(verb.text, _last(verb.text) * count_loops(verb), verb.text)
    elif verb.name == "Play":
        await line.hear("a sound", _SOUND_SECONDS * count_loops(verb))
    else:
        await line.hear("pause", float(read_whole_number(verb.get("length"), 1)))


def _last(text: str) -> float:
    return estimate_seconds(text) or _SOUND_SECONDS


def _method(verb: Element) -> str:
    return verb.get("method", "POST").upper()
