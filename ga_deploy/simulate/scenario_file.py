"""Scenario files: YAML in, scenarios or findings with positions out. All findings of a file at once.

Longer than most modules on purpose: it is the grammar of one file format, a function a section, in one place.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from ga_deploy.errors import ConfigInvalid, Finding, Place
from ga_deploy.simulate.judge import Expectation
from ga_deploy.simulate.plan import HangUp, Page, Reaction
from ga_deploy.simulate.scenario import AsappScript, CallerScript, DeploymentFault, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

T = TypeVar("T")

SHIPPED = Path(__file__).parent / "scenarios"
MAX_BYTES = 64 * 1024
PHASES = ("ringing", "greeting", "stream", "result", "transfer")
RESULTS = ("answered", "busy", "no-answer", "failed", "canceled")
OUTCOMES = ("agent", "system", "completed", "dropped", "unknown", "failed", "bypass", "exhausted")
ENDINGS = ("hung-up", "caller-hung-up", "transferred", "rejected", "application-error", "endless")
FEATURES = ("destinations", "profiles", "hours", "greeting", "reconnect", "direct")


def list_shipped() -> tuple[Path, ...]:
    """Return the scenario files that come with the tool, by name."""
    return tuple(sorted(SHIPPED.glob("*.yaml")))


def find_scenarios(names: Sequence[str]) -> tuple[Scenario, ...]:
    """Return the scenarios of these names: shipped ones by name, users' own by the path of their file.

    Raises ConfigInvalid with a finding for every name that is neither, and for whatever is wrong in a file.
    """
    shipped = {path.stem: path for path in list_shipped()}
    findings: list[Finding] = []
    scenarios: list[Scenario] = []
    for name in names:
        path = shipped.get(name) or Path(name)
        if name not in shipped and not _is_scenario_file(path):
            near = difflib.get_close_matches(name, shipped, 1)
            fix = f"did you mean `{near[0]}`?" if near else "`ga-deploy simulate --list` lists them"
            why = "it is neither a shipped scenario nor a .yaml file that exists"
            findings.append(Finding(f"unknown scenario `{name}`", why, fix))
            continue
        try:
            scenarios.append(read_scenario(path))
        except ConfigInvalid as problem:
            findings += problem.findings
    if findings:
        raise ConfigInvalid(tuple(findings))
    return tuple(scenarios)


def _is_scenario_file(path: Path) -> bool:
    try:
        return path.suffix in {".yaml", ".yml"} and path.is_file()
    except OSError:  # a name that no file can have
        return False


def read_scenario(path: Path) -> Scenario:
    """Return the scenario in a file. Raises ConfigInvalid with all that is wrong with it."""
    try:
        text = path.read_bytes()[: MAX_BYTES + 1]
    except OSError as problem:
        fix = "check the path and its permissions"
        raise ConfigInvalid(
            (Finding("the scenario cannot be read", problem.strerror or "", fix, Place(str(path))),)
        ) from problem
    return parse_scenario(text, str(path), path.stem)


def parse_scenario(text: bytes, file: str, name: str) -> Scenario:
    """Return the scenario in `text`; `name` is its name when it does not give itself one."""
    findings: list[Finding] = []
    root = _compose(text, file, findings)
    scenario = None
    if root is not None:
        scenario = _read(_Section(root, file, "", findings), name, file)
    if findings:
        raise ConfigInvalid(tuple(findings))
    assert scenario is not None
    return scenario


def _compose(text: bytes, file: str, findings: list[Finding]) -> yaml.MappingNode | None:
    def refuse(what: str, why: str, fix: str, mark: yaml.Mark | None = None) -> None:
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        findings.append(Finding(what, why, fix, place))

    if len(text) > MAX_BYTES:
        refuse("the scenario is too large", f"a scenario has at most {MAX_BYTES} bytes", "split it")
        return None
    try:
        for token in yaml.scan(text, yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
                refuse("anchors and aliases are not accepted", "", "write the value out", token.start_mark)
                return None
        node = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as problem:
        mark = getattr(problem, "problem_mark", None)
        why = getattr(problem, "problem", None) or "the file is not text in UTF-8"
        refuse("the scenario is not valid YAML", str(why), "correct the line", mark)
        return None
    if not isinstance(node, yaml.MappingNode):
        refuse(
            "the scenario is not a mapping",
            "it needs keys such as `title` and `expect`",
            "see docs/simulate.md",
        )
        return None
    return node


class _Section:
    """One mapping of the file: every key is asked for by its type, and what nobody asked for is a finding."""

    def __init__(self, node: yaml.MappingNode, file: str, path: str, findings: list[Finding]) -> None:
        self._file = file
        self._path = path
        self._findings = findings
        self._values: dict[str, yaml.Node] = {}
        self._keys: dict[str, yaml.Node] = {}
        self._asked: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in self._values:
                self.refuse(key, f"`{name}` stands here twice", "", "remove one of them")
            self._values[name] = value
            self._keys[name] = key

    def refuse(self, node: yaml.Node, what: str, why: str, fix: str) -> None:
        mark = node.start_mark
        self._findings.append(Finding(what, why, fix, Place(self._file, mark.line + 1, mark.column + 1)))

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def get(self, key: str) -> yaml.Node | None:
        """Return the value's node; an empty value counts as absent."""
        self._asked.add(key)
        node = self._values.get(key)
        return None if node is None or node.tag == "tag:yaml.org,2002:null" else node

    def text(self, key: str, default: str = "") -> str:
        node = self.get(key)
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(node, f"`{self._name(key)}` has to be a text", "", "write one value")
            return default
        return str(node.value)

    def choice(self, key: str, options: Collection[str], default: str) -> str:
        node = self.get(key)
        if node is None:
            return default
        value = self.text(key)
        if value in options:
            return value
        near = difflib.get_close_matches(value, options, 1)
        fix = f"did you mean `{near[0]}`?" if near else "one of: " + ", ".join(options)
        self.refuse(node, f"`{self._name(key)}` cannot be `{value}`", "one of: " + ", ".join(options), fix)
        return default

    def number(self, key: str, default: float, least: float, most: float) -> float:
        node = self.get(key)
        if node is None:
            return default
        try:
            value = float(self.text(key))
        except ValueError:
            value = float("nan")
        if least <= value <= most:
            return value
        why = f"a number from {least:g} to {most:g} is expected"
        self.refuse(node, f"`{self._name(key)}` is not a number in range", why, f"for example {default:g}")
        return default

    def optional_number(self, key: str, least: float, most: float) -> float | None:
        return None if self.get(key) is None else self.number(key, least, least, most)

    def flag(self, key: str, default: bool | None = False) -> bool | None:
        node = self.get(key)
        if node is None:
            return default
        if node.tag != "tag:yaml.org,2002:bool":
            self.refuse(node, f"`{self._name(key)}` has to be true or false", "", "write true or false")
            return default
        return str(node.value).lower() in {"true", "yes", "on"}

    def texts(self, key: str, options: Collection[str] | None = None) -> tuple[str, ...] | None:
        """Return one text or a list of them; None when the key is absent."""
        node = self.get(key)
        if node is None:
            return None
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        values = []
        for item in items:
            if not isinstance(item, yaml.ScalarNode):
                self.refuse(item, f"`{self._name(key)}` holds something that is no text", "", "write one value")
                continue
            if options is not None and str(item.value) not in options:
                near = difflib.get_close_matches(str(item.value), options, 1)
                fix = f"did you mean `{near[0]}`?" if near else "name one of those"
                self.refuse(item, f"`{item.value}` is not known here", "one of: " + ", ".join(options), fix)
                continue
            values.append(str(item.value))
        return tuple(values)

    def table(self, key: str) -> dict[str, str]:
        node = self.get(key)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, f"`{self._name(key)}` has to be a mapping of texts", "", "write NAME: VALUE")
            return {}
        inner = _Section(node, self._file, self._name(key), self._findings)
        return {name: inner.text(name) for name in inner._values}

    def plain(self, key: str) -> Any:
        """Return the value as YAML means it, whatever it is; for what another part of the tool will read."""
        node = self.get(key)
        return None if node is None else _to_plain(node)

    def section(self, key: str, read: Callable[[_Section], T], default: T) -> T:
        node = self.get(key)
        if node is None:
            return default
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, f"`{self._name(key)}` has to be a mapping", "", "see docs/simulate.md")
            return default
        inner = _Section(node, self._file, self._name(key), self._findings)
        value = read(inner)
        inner.close()
        return value

    def close(self) -> None:
        """Report every key that nobody asked for."""
        for name, key in self._keys.items():
            if name not in self._asked:
                near = difflib.get_close_matches(name, self._asked, 1)
                fix = f"did you mean `{near[0]}`?" if near else "one of: " + ", ".join(sorted(self._asked))
                self.refuse(key, f"unknown key `{self._name(name)}`", "a scenario has no such key here", fix)


def _to_plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _to_plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_to_plain(item) for item in node.value]
    constructor = yaml.constructor.SafeConstructor()
    return constructor.construct_object(node)


def _read(section: _Section, name: str, file: str) -> Scenario:
    reactions, by_name = _read_reactions(section)
    scenario = Scenario(
        name=section.text("name", name),
        title=section.text("title", name.replace("-", " ")),
        file=file,
        tags=section.texts("tags") or (),
        for_each=section.choice("for_each", ("destination", "profile", "voice"), ""),  # type: ignore[arg-type]
        only_if=section.choice("only_if", FEATURES, ""),
        asapp=section.section("asapp", _read_asapp, AsappScript()),
        caller=section.section("caller", _read_caller, CallerScript()),
        reactions=reactions,
        reactions_by_name=by_name,
        deployment=section.section("deployment", _read_deployment, DeploymentFault()),
        fallback=section.section("fallback", _read_page, None),
        pace=section.choice("pace", ("fast", "stream", "real"), "fast"),  # type: ignore[arg-type]
        expect=section.section("expect", _read_expectation, Expectation()),
    )
    no_call: dict[str, Any] = {}
    call = section.section("call", _read_call, no_call)
    section.close()
    return replace(scenario, **call)


def _read_call(section: _Section) -> dict[str, Any]:
    return {
        "from_number": section.text("from", Scenario.from_number),
        "to_number": section.text("to"),
        "profile": section.text("profile"),
        "sip": bool(section.flag("sip")),
        "parameters": section.table("parameters"),
        "query": section.table("query"),
        "repeat_webhooks": bool(section.flag("repeat_webhooks")),
    }


def _read_asapp(section: _Section) -> AsappScript:
    script = section.plain("script")
    faults = section.plain("faults") or []
    node = section.get("script")
    if node is not None and not isinstance(script, str | dict):
        section.refuse(node, "`asapp.script` has to be a name or a mapping", "", "for example `script: agent`")
        script = None
    node = section.get("faults")
    if node is not None and not (isinstance(faults, list) and all(isinstance(fault, dict) for fault in faults)):
        section.refuse(node, "`asapp.faults` has to be a list of faults", "", "- {endpoint: stream-url, status: 401}")
        faults = []
    return AsappScript(script or "agent", tuple(faults))


def _read_caller(section: _Section) -> CallerScript:
    return CallerScript(
        hang_up=section.section("hang_up", _read_hang_up, None),
        says=section.text("says"),
        keys=section.text("keys"),
        barge_in_after=section.optional_number("barge_in_after", 0, 600),
        noise_dbfs=section.optional_number("noise_dbfs", -90, 0),
        loss=section.number("loss", 0.0, 0, 0.9),
        jitter_ms=section.number("jitter_ms", 0.0, 0, 1000),
        seed=int(section.number("seed", 1, 0, 2**31)),
    )


def _read_hang_up(section: _Section) -> HangUp | None:
    phase = section.choice("during", PHASES, "stream")
    return HangUp(phase, section.number("after", 0.0, 0, 3600))  # type: ignore[arg-type]


def _read_deployment(section: _Section) -> DeploymentFault:
    return DeploymentFault(
        broken=section.texts("broken", ("engage", "call_complete", "stream_status")) or (),
        how=section.choice("how", ("throws", "hangs", "text", "empty", "json"), "throws"),  # type: ignore[arg-type]
        all_closed=bool(section.flag("all_closed")),
        all_open=bool(section.flag("all_open")),
        send_to=section.text("send_to"),
        variables=section.table("variables"),
    )


def _read_page(section: _Section) -> Page | None:
    return Page(
        int(section.number("status", 200, 100, 599)),
        section.text("content_type", "text/xml"),
        section.text("body", "<Response/>"),
    )


def _read_reactions(section: _Section) -> tuple[tuple[Reaction, ...], dict[str, Reaction]]:
    """Read `destinations`: one result for all, a list by attempt, or a mapping by destination (or `default`)."""
    node = section.get("destinations")
    if isinstance(node, yaml.MappingNode):
        named = section.table("destinations")
        for name, result in named.items():
            if result not in RESULTS:
                why = "one of: " + ", ".join(RESULTS)
                section.refuse(node, f"`destinations.{name}` cannot be `{result}`", why, "correct it")
        known = ((name, result) for name, result in named.items() if result in RESULTS)
        return (), {name: Reaction(result) for name, result in known}  # type: ignore[arg-type]
    results = section.texts("destinations", RESULTS) or ()
    return tuple(Reaction(result) for result in results), {}  # type: ignore[arg-type]


def _read_expectation(section: _Section) -> Expectation:
    usual = Expectation()
    endings = section.texts("ending", ENDINGS)
    codes = section.texts("errors") or ()
    return Expectation(
        outcome=section.choice("outcome", OUTCOMES, "") or None,
        ending=frozenset(endings) if endings else None,  # type: ignore[arg-type]
        went=section.texts("went"),
        reaches=section.flag("reaches", None),
        said=section.texts("said") or (),
        not_said=section.texts("not_said") or (),
        streams=None if section.get("streams") is None else int(section.number("streams", 1, 0, 20)),
        errors=frozenset(int(code) for code in codes if code.isdigit()),
        told=section.table("told"),
        pressed=section.text("pressed"),
        barge_in_within=section.optional_number("barge_in_within", 0, 60),
        hears_caller=section.optional_number("hears_caller", 0, 1),
        waits=bool(section.flag("waits")),
        max_dead_air=section.number("max_dead_air", usual.max_dead_air, 0, 600),
        max_first_twiml=section.number("max_first_twiml", usual.max_first_twiml, 0, 60),
        max_first_audio=section.number("max_first_audio", usual.max_first_audio, 0, 60),
    )
