"""From a file to a tree, with a finding for what is not YAML, or not the YAML of a config or a scenario.

Built from PyYAML's events rather than its constructors: such a file has texts, whole numbers, decimals, true and false,
nothing, lists and mappings, so dates stay texts, `22:30` is not a number to base sixty,
no tag makes an object, duplicate keys are found, and neither depth nor aliases can use up memory.

Longer than most modules, for the words of its findings; the composer is one loop over one stream.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from ga_deploy.errors import Finding, Place
from ga_deploy.plain_file import read_plain_file
from ga_deploy.yaml_tree.tree import Entry, Items, Keys, Node, Plain, Scalar, Section, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Protocol

    class _Mark(Protocol):
        """What PyYAML tells about a position; counts from 0."""

        @property
        def line(self) -> int: ...
        @property
        def column(self) -> int: ...


LARGEST_CONFIG = 1024 * 1024
MOST_NODES = 100_000


@dataclass(frozen=True)
class FileKind:
    """A kind of YAML file: its name in findings and what it may hold.

    `noun` is what one is called (`config`), `file` what the one at hand is called. `example` names keys that it has,
    `start` says where to begin when there are none, `instead_of_several` what to do with several documents. `deepest`
    is how many levels of lists and mappings it may have.
    """

    noun: str
    deepest: int
    example: str
    start: str
    instead_of_several: str = "keep one"
    has_anchors: bool = True

    @property
    def file(self) -> str:
        """What the file at hand is called."""
        return "the config file" if self.noun == "config" else f"the {self.noun}"


CONFIG_FILE = FileKind(
    "config",
    40,
    "`twilio:`",
    "run `ga-deploy init` for a starting point",
    "keep one; environments go under `environments:`",
)


Outcome = tuple[Section | None, list[Finding]]


def read_tree(path: Path, name: str) -> Outcome:
    """Read a config file into a tree; `name` is what findings call it. None when there is nothing to go on with."""
    other = "name another file with `--config PATH`"
    try:
        content = read_plain_file(path, LARGEST_CONFIG)
    except FileNotFoundError:
        fix = "run `ga-deploy init`, or name the file with `--config PATH`"
        return _stopped(f"there is no config file `{name}`", "the file does not exist", fix, Place(name))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return _stopped(f"the config file `{name}` cannot be read", why, f"make it readable, or {other}", Place(name))
    if len(content) > LARGEST_CONFIG:
        what = f"the config file `{name}` is too large"
        return _stopped(what, "it has more than 1 MB", f"check that it is the right file, or {other}", Place(name))
    return parse_bytes(content, name)


def parse_bytes(content: bytes, name: str, kind: FileKind = CONFIG_FILE) -> Outcome:
    """Parse a file's content as `parse` does; what is not UTF-8 is a finding."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Place(name, before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        why = f"byte 0x{content[error.start]:02x} is not valid UTF-8"
        return _stopped(f"{kind.file} is not UTF-8", why, "save it as UTF-8", place)
    return parse(text, name, kind)


def _stopped(what: str, why: str, fix: str, place: Place) -> Outcome:
    return None, [Finding(what, why, fix, place)]


def parse(text: str, name: str, kind: FileKind = CONFIG_FILE) -> Outcome:
    """Parse YAML text; findings for what is not YAML, or not the YAML of this kind of file."""
    try:
        composer = _Composer(text, name, kind)
        node = composer.compose()
    except _Stop as stop:
        return None, [stop.finding]
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        why = f"it is {text[error.position : error.position + 1]!r}"
        return _stopped(f"{kind.file} has a character that YAML does not allow", why, "remove it", place)
    except yaml.MarkedYAMLError as error:
        return None, [_syntax(error, name, text, kind)]
    if isinstance(node, Section):
        return node, composer.findings
    if node is None or (isinstance(node, Scalar) and node.value is None):
        finding = Finding(f"{kind.file} is empty", "it holds no keys", kind.start, Place(name, 1, 1))
    else:
        found = "a list" if isinstance(node, Items) else "a single value"
        why = f"a mapping of keys such as {kind.example} is expected at the top"
        finding = Finding(f"{kind.file} holds {found}", why, kind.start, node.place)
    return None, [*composer.findings, finding]


def _syntax(error: yaml.MarkedYAMLError, name: str, text: str, kind: FileKind) -> Finding:
    unclosed = "end of stream" in (error.problem or "")
    mark = error.context_mark if unclosed and error.context_mark else error.problem_mark
    place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)
    problem = error.problem or "it cannot be parsed"
    context = f" {error.context}" if error.context else ""
    fix = "correct the line; quotes round a text with `: `, ` #` or a leading `*`, `&`, `@`, `%` help"
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "\t" in problem or "\\t" in problem or re.match(r"\s*\t", line):
        problem, context, fix = "the indentation has a tab", "", "indent with spaces"
    elif unclosed and "quoted" in context:
        problem, context, fix = "the quotes that begin here are never closed", "", "close them"
    elif "flow mapping" in context and re.search(r"[{,:]\s*\$\{", line):
        fix = 'put quotes round references inside braces and brackets: {key: "${NAME}"}'
    return Finding(f"{kind.file} is not YAML", f"{problem}{context}", fix, place)


def _too_deep(place: Place, kind: FileKind) -> Finding:
    return Finding(
        f"{kind.file} is nested too deeply",
        f"a {kind.noun} has at most {kind.deepest} levels",
        "check that it is the right file",
        place,
    )


class _Stop(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


@dataclass
class _Open:
    """A list or mapping whose end has not been read yet."""

    place: Place
    keys: Keys
    anchor: str | None
    is_mapping: bool
    nodes: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: list[Node] = field(default_factory=list)
    key: str | None = None
    key_place: Place | None = None


class _Composer:
    """Turns the events of one document into a tree."""

    def __init__(self, text: str, name: str, kind: FileKind) -> None:
        self._loader = yaml.SafeLoader(text)
        self._kind = kind
        self._name = name
        self._anchors: dict[str, Node] = {}
        self._measures: dict[int, tuple[int, int]] = {}
        self._count = 0
        self.findings: list[Finding] = []

    def _place(self, mark: _Mark | None) -> Place:
        return Place(self._name, mark.line + 1, mark.column + 1) if mark else Place(self._name)

    def compose(self) -> Node | None:
        stack: list[_Open] = []
        root: Node | None = None
        documents = 0
        next_event: Callable[[], yaml.Event] = self._loader.get_event
        while self._loader.check_event():
            event = next_event()
            if getattr(event, "anchor", None) and not self._kind.has_anchors:
                raise _Stop(self._refuse_anchor(event))
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Stop(
                        Finding(
                            f"{self._kind.file} holds several documents",
                            "a second one begins after `---`",
                            "keep one"
                            + ("; environments go under `environments:`" if self._kind is CONFIG_FILE else ""),
                            self._place(event.start_mark),
                        )
                    )
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._open(event, stack)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                done = stack.pop()
                node = self._close(done)
                root = self._add(node, stack, root)
            elif isinstance(event, yaml.ScalarEvent):
                root = self._scalar(event, stack, root)
            elif isinstance(event, yaml.AliasEvent):
                root = self._alias(event, stack, root)
        return root

    def _refuse_anchor(self, event: yaml.Event) -> Finding:
        why = "one value could stand for very many, and a reader would have to look it up"
        place = self._place(event.start_mark)
        return Finding("anchors and aliases are not accepted", why, "write the value out", place)

    def _keys_of_next(self, stack: list[_Open]) -> Keys:
        if not stack:
            return ()
        top = stack[-1]
        return (*top.keys, (top.key or "") if top.is_mapping else len(top.nodes))

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, stack: list[_Open]) -> None:
        place = self._place(event.start_mark)
        if len(stack) >= self._kind.deepest:
            raise _Stop(_too_deep(place, self._kind))
        if stack and stack[-1].is_mapping and stack[-1].key is None:
            raise _Stop(
                Finding(
                    "a key is a list or a mapping",
                    "keys are texts",
                    "write a text as the key; a value that begins with a brace or bracket needs quotes",
                    place,
                )
            )
        self._refuse_tag(event.tag, ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"), place)
        stack.append(_Open(place, self._keys_of_next(stack), event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _close(self, done: _Open) -> Node:
        node: Node
        if not done.is_mapping:
            node = Items(tuple(done.nodes), done.place, done.keys)
        else:
            entries = dict(done.entries)
            for merged in done.merged:
                for key, entry in merged.entries.items() if isinstance(merged, Section) else ():
                    entries.setdefault(key, entry)
            node = Section(entries, done.place, done.keys)
        if done.anchor:
            self._anchors[done.anchor] = node
        return node

    def _scalar(self, event: yaml.ScalarEvent, stack: list[_Open], root: Node | None) -> Node | None:
        place = self._place(event.start_mark)
        if not is_whole(event.value):
            what = "a text has an incomplete character"
            raise _Stop(
                Finding(what, "an escape such as \\ud83d needs its second half", "write the character itself", place)
            )
        if stack and stack[-1].is_mapping and stack[-1].key is None:
            stack[-1].key, stack[-1].key_place = event.value, place
            if event.anchor:
                self._anchors[event.anchor] = Scalar(event.value, event.value, place)
            return root
        self._refuse_tag(event.tag, ("!", "tag:yaml.org,2002:str"), place)
        plain = event.style is None and event.tag is None
        node = Scalar(
            _plain_value(event.value) if plain else event.value, event.value, place, self._keys_of_next(stack)
        )
        if event.anchor:
            self._anchors[event.anchor] = node
        return self._add(node, stack, root)

    def _alias(self, event: yaml.AliasEvent, stack: list[_Open], root: Node | None) -> Node | None:
        place, name = self._place(event.start_mark), event.anchor or ""
        node = self._anchors.get(name)
        if node is None:
            raise _Stop(
                Finding(
                    f"there is no anchor `{name[:60]}`",
                    "an alias can only repeat a value that is marked above it",
                    f"mark it with &{name[:60]}, or quote the text",
                    place,
                )
            )
        if stack and stack[-1].is_mapping and stack[-1].key is None:
            if not isinstance(node, Scalar):
                raise _Stop(Finding("a key is a list or a mapping", "keys are texts", "write the key out", place))
            stack[-1].key, stack[-1].key_place = node.raw, place
            return root
        size, depth = self._measure(node)
        self._count += size
        if len(stack) + depth > self._kind.deepest:
            raise _Stop(_too_deep(place, self._kind))
        return self._add(node, stack, root)

    def _measure(self, node: Node) -> tuple[int, int]:
        """Return how many values an anchored part holds, repeated ones each time, and how deep it goes."""
        known = self._measures.get(id(node))
        if known is None:
            inner: list[Node] = []
            if isinstance(node, Section):
                inner = [entry.node for entry in node.entries.values()]
            elif isinstance(node, Items):
                inner = list(node.nodes)
            measures = [self._measure(one) for one in inner]
            known = (
                1 + sum(size for size, _ in measures),
                1 + max((depth for _, depth in measures), default=0),
            )
            self._measures[id(node)] = known
        return known

    def _add(self, node: Node, stack: list[_Open], root: Node | None) -> Node | None:
        self._count += 1
        if self._count > MOST_NODES:
            raise _Stop(
                Finding(
                    f"{self._kind.file} holds too much",
                    f"it has more than {MOST_NODES} values, repeated ones included",
                    "check that it is the right file",
                    node.place,
                )
            )
        if not stack:
            return node
        top = stack[-1]
        if not top.is_mapping:
            top.nodes.append(node)
            return root
        key, place = top.key or "", top.key_place or node.place
        top.key = None
        if key == "<<":
            self._merge(node, top)
        elif key in top.entries:
            first = top.entries[key].place
            self.findings.append(
                Finding(
                    f"duplicate key `{key[:60]}`",
                    f"it is also on line {first.line}, and only one can count",
                    "remove one, or merge the two",
                    place,
                )
            )
        else:
            top.entries[key] = Entry(place, node)
        return root

    def _merge(self, node: Node, top: _Open) -> None:
        for one in node.nodes if isinstance(node, Items) else (node,):
            if isinstance(one, Section):
                top.merged.append(one)
            else:
                self.findings.append(
                    Finding(
                        "`<<` merges something that is not a mapping",
                        "it takes an alias of a mapping",
                        "write `<<: *NAME`",
                        node.place,
                    )
                )

    def _refuse_tag(self, tag: str | None, allowed: tuple[str, ...], place: Place) -> None:
        if tag is not None and tag not in allowed:
            self.findings.append(
                Finding(
                    f"the tag `{tag[:60].replace('tag:yaml.org,2002:', '!!')}` is not allowed in a {self._kind.noun}",
                    "the form of a value gives its type",
                    "remove the tag",
                    place,
                )
            )


_TRUE = re.compile(r"yes|Yes|YES|true|True|TRUE|on|On|ON")
_FALSE = re.compile(r"no|No|NO|false|False|FALSE|off|Off|OFF")


def _plain_value(text: str) -> Plain:
    """Return what a value without quotes means: YAML 1.1, without dates, octal, binary and base-sixty numbers."""
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,17})", text):
        return int(text)
    if re.fullmatch(r"[-+]?[0-9]{1,18}\.[0-9]{0,18}", text):
        return float(text)
    return text
