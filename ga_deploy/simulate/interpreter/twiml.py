"""An HTTP answer as Twilio's voice platform reads it: TwiML, text to read aloud, audio, or an error code.

Pure: nothing is fetched, nothing waits. Parsing is safe for hostile input: no DTD, no entities beyond
XML's own five, bounded size, depth and number of elements. Sources: Twilio docs, "Your response" (content
types), errors 12100, 12200, 12300 and 11750, and the page of each verb.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin, urlsplit, urlunsplit
from xml.parsers import expat

from ga_deploy.twilio_rules.elements import NOUNS, OPAQUE, VERBS, Form

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = 64 * 1024  # Twilio error 11750: a TwiML answer is at most 64 KB
MAX_DEPTH = 16
MAX_ELEMENTS = 2000
XML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})


@dataclass(frozen=True)
class Remark:
    """What Twilio's debugger would log about an answer: the error code (0: none is known), a text and the line."""

    code: int
    text: str
    line: int = 0

    def __str__(self) -> str:
        place = f" (line {self.line})" if self.line else ""
        return f"{self.code}: {self.text}{place}" if self.code else f"{self.text}{place}"


@dataclass(frozen=True)
class Element:
    """A verb or noun that Twilio would carry out. `text` is its own text with surrounding space removed."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: tuple[Element, ...] = ()
    line: int = 0

    def get(self, name: str, default: str = "") -> str:
        """Return an attribute, or `default` when it is absent or empty."""
        return self.attributes.get(name) or default

    def child(self, *names: str) -> Element | None:
        """Return the first child with one of these names."""
        return next((element for element in self.children if element.name in names), None)


@dataclass(frozen=True)
class TwimlDocument:
    """What Twilio makes of an HTTP answer.

    `kind`: `twiml` (carry out `verbs`), `speech` (read `speech` aloud, then hang up), `audio` (play it,
    then hang up) or `error` (`error` says why; the fallback URL is next). `unreachable` holds verbs that
    can never run.
    """

    kind: Literal["twiml", "speech", "audio", "error"]
    verbs: tuple[Element, ...] = ()
    speech: str = ""
    error: Remark | None = None
    warnings: tuple[Remark, ...] = ()
    unreachable: tuple[Element, ...] = ()


def read_document(status: int, content_type: str, body: bytes) -> TwimlDocument:
    """Return what Twilio does with this answer to a voice webhook. Never raises, whatever the body is."""
    if not 200 <= status < 300:
        return _error(11200, f"HTTP retrieval failure: the answer was {status}")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in XML_TYPES:
        return parse_twiml(body)
    if media_type.startswith("audio/"):
        return TwimlDocument("audio")
    if not body.strip():
        return TwimlDocument("twiml")
    if media_type == "text/plain":
        return TwimlDocument("speech", speech=body.decode("utf-8", "replace").strip())
    if not media_type:
        return _error(11200, "HTTP retrieval failure: the answer has no Content-Type")
    return _error(12300, f"invalid Content-Type: `{media_type}` is not one that TwiML comes in")


def parse_twiml(body: bytes) -> TwimlDocument:
    """Return the verbs of a TwiML document.

    Malformed XML is error 12100. What Twilio does not know is left out and becomes a warning, 12200.
    """
    if len(body) > MAX_BYTES:
        return _error(11750, f"TwiML answer too large: {len(body)} bytes, at most {MAX_BYTES}")
    builder = _TreeBuilder()
    try:
        root = builder.parse(body)
    except expat.ExpatError as problem:
        return _error(12100, f"document parse failure: {expat.ErrorString(problem.code)}", problem.lineno)
    except _RefusedError as problem:
        return _error(12100, f"document parse failure: {problem.text}", problem.line)
    if root.name != "Response":
        text = f"document parse failure: the root element is `{root.name}`, not `Response`"
        return _error(12100, text, root.line)
    schema = _Schema()
    if root.text:
        schema.warn(f"text between verbs is not carried out: {_quoted(root.text)}", root.line)
    for name in root.attributes:
        schema.warn(f"attribute `{name}` is not allowed in element `Response`", root.line)
    verbs = schema.keep_known(root.children, VERBS, "Response")
    return TwimlDocument("twiml", verbs, warnings=tuple(schema.warnings), unreachable=_unreachable(verbs))


def resolve(base: str, reference: str) -> str:
    """Return `reference` (an `action` or a Redirect target) as an absolute URL, the way Twilio resolves it.

    An empty reference is the document itself. The base's fragment is not inherited: it holds connection
    overrides.
    """
    if not reference:
        return urlunsplit(urlsplit(base)._replace(fragment=""))
    return urljoin(base, reference)


def count_loops(element: Element, default: int = 1, most: int = 1000) -> int:
    """Return how often a Say or Play repeats; Twilio reads `0` as until the call ends, at most 1000 times."""
    loops = read_whole_number(element.get("loop"), default)
    return most if loops == 0 else min(loops, most)


def read_whole_number(text: str, default: int) -> int:
    """Return a non-negative whole number from an attribute, or `default` for anything else."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text.strip()) else default


def _error(code: int, text: str, line: int = 0) -> TwimlDocument:
    return TwimlDocument("error", error=Remark(code, text, line))


def _quoted(text: str, most: int = 60) -> str:
    short = " ".join(text.split())
    return f"`{short[: most - 1]}…`" if len(short) > most else f"`{short}`"


class _Schema:
    """Leaves out what is not in Twilio's schema, as Twilio does, with a warning for each."""

    def __init__(self) -> None:
        self.warnings: list[Remark] = []

    def warn(self, text: str, line: int) -> None:
        self.warnings.append(Remark(12200, f"schema validation warning: {text}", line))

    def keep_known(
        self, elements: tuple[Element, ...], allowed: Mapping[str, Form], parent: str, *, naming: bool = False
    ) -> tuple[Element, ...]:
        kept = (self._check(element, allowed, parent, naming=naming) for element in elements)
        return tuple(element for element in kept if element is not None)

    def _check(self, raw: Element, allowed: Mapping[str, Form], parent: str, *, naming: bool) -> Element | None:
        rule = allowed.get(raw.name)
        if rule is None:
            hint = next((name for name in allowed if name.lower() == raw.name.lower()), "")
            case = f" (names are case-sensitive: `{hint}`)" if hint else ""
            self.warn(f"invalid content was found, element `{raw.name}` in `{parent}`{case}", raw.line)
            return None
        if raw.name in OPAQUE:
            return raw
        for name in sorted(raw.attributes.keys() - rule.attributes):
            self.warn(f"attribute `{name}` is not allowed in element `{raw.name}`", raw.line)
        for name in () if naming else sorted(rule.required - raw.attributes.keys()):
            self.warn(f"attribute `{name}` must appear on element `{raw.name}`", raw.line)
        if raw.text and not rule.text:
            self.warn(f"element `{raw.name}` cannot have text: {_quoted(raw.text)}", raw.line)
        nouns = {name: NOUNS.get(name) or VERBS.get(name) or _ANYTHING for name in rule.children}
        return Element(
            raw.name,
            {name: value for name, value in raw.attributes.items() if name in rule.attributes},
            raw.text if rule.text else "",
            raw.children if rule.ssml else self.keep_known(raw.children, nouns, raw.name, naming=rule.naming),
            raw.line,
        )


_ANYTHING = Form(frozenset(), text=True)


def _unreachable(verbs: tuple[Element, ...]) -> tuple[Element, ...]:
    for index, verb in enumerate(verbs):
        rule = VERBS[verb.name]
        if rule.ends or (rule.hands_over and "action" in verb.attributes):
            return () if _is_safety_net(verb, verbs[index + 1 :]) else verbs[index + 1 :]
    return ()


def _is_safety_net(verb: Element, behind: tuple[Element, ...]) -> bool:
    """Tell whether what follows leads to the same action: Twilio does not document when it requests Connect's."""
    return (
        verb.name == "Connect"
        and [one.name for one in behind] == ["Redirect"]
        and behind[0].text == verb.get("action")
        and behind[0].get("method", "POST").upper() == verb.get("method", "POST").upper()
    )


class _RefusedError(Exception):
    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.text = text
        self.line = line


@dataclass
class _Open:
    name: str
    attributes: dict[str, str]
    line: int
    text: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)


class _TreeBuilder:
    """Builds elements from expat's events, refusing whatever could make parsing expensive."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._stack: list[_Open] = []
        self._root: Element | None = None
        self._count = 0

    def parse(self, body: bytes) -> Element:
        self._parser.Parse(body, True)
        if self._root is None:  # expat reports an empty document itself
            raise _RefusedError("no element found", 1)
        return self._root

    def _doctype(self, *_: object) -> None:
        raise _RefusedError("a document type declaration is not accepted", self._parser.CurrentLineNumber)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise _RefusedError(f"more than {MAX_ELEMENTS} elements", line)
        if len(self._stack) >= MAX_DEPTH:
            raise _RefusedError(f"elements nested more than {MAX_DEPTH} deep", line)
        self._stack.append(_Open(name, attributes, line))

    def _end(self, _: str) -> None:
        done = self._stack.pop()
        text = "".join(done.text).strip()
        element = Element(done.name, done.attributes, text, tuple(done.children), done.line)
        if not self._stack:
            self._root = element
            return
        parent = self._stack[-1]
        parent.children.append(element)
        if any(opened.name == "Say" for opened in self._stack):
            parent.text.append(_spoken(element))

    def _characters(self, text: str) -> None:
        if self._stack:
            self._stack[-1].text.append(text)


def _spoken(element: Element) -> str:
    """Return what an SSML element inside Say sounds like: its text, `sub` by its alias, `break` as a gap."""
    if element.name == "sub":
        return element.get("alias", element.text)
    return " " if element.name == "break" else element.text


def walk(elements: tuple[Element, ...]) -> Iterator[Element]:
    """Yield every element of a document, parents first."""
    for element in elements:
        yield element
        yield from walk(element.children)
