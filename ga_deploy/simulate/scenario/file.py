"""Scenario files: YAML in, scenarios or findings with positions out. All findings of a file at once.

Longer than most modules on purpose: it is the grammar of one file format, a function a section, in one place.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from ga_deploy.errors import ConfigInvalid, Finding, Place
from ga_deploy.plain_file import read_plain_file
from ga_deploy.simulate.interpreter.plan import HangUp, Page, Reaction
from ga_deploy.simulate.judge.judge import Expectation
from ga_deploy.simulate.scenario.scenario import AsappScript, CallerScript, DeploymentFault, Scenario
from ga_deploy.simulate.voices import list_voices

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

T = TypeVar("T")

SHIPPED = Path(__file__).parents[1] / "scenarios"
MAX_BYTES = 64 * 1024
PHASES = ("ringing", "greeting", "stream", "result", "transfer")
RESULTS = ("answered", "busy", "no-answer", "failed", "canceled", "declined")
OUTCOMES = (
    *("agent", "system", "completed", "dropped", "unknown", "failed"),
    *("closed", "machine", "bypass", "exhausted"),
)
ENDINGS = ("hung-up", "caller-hung-up", "transferred", "rejected", "application-error", "endless")
MAX_DEPTH = 20
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
# Fields of Twilio's requests that the call itself sets, and where a scenario says what they are to be.
_OWN_FIELDS = {"From": "call.from", "Caller": "call.from", "To": "call.to", "Called": "call.to"}
_FIXED_FIELDS = ("AccountSid", "ApiVersion", "CallSid", "CallStatus", "Direction")
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
        text = read_plain_file(path, MAX_BYTES)
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
        depth = 0
        for token in yaml.scan(text, yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
                why = "one value could stand for very many, and a reader would have to look it up"
                refuse("anchors and aliases are not accepted", why, "write the value out", token.start_mark)
                return None
            depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if depth > MAX_DEPTH:
                why = f"no value of a scenario is more than {MAX_DEPTH} levels deep"
                refuse("the scenario is nested too deeply", why, "look for brackets without an end", token.start_mark)
                return None
        node = yaml.compose(text, yaml.SafeLoader)
    except UnicodeDecodeError:
        refuse("the scenario is not valid YAML", "the file is not text in UTF-8", "save it as UTF-8")
        return None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        refuse("the scenario is not valid YAML", _explain(problem), "correct the line", mark)
        return None
    if not isinstance(node, yaml.MappingNode):
        refuse(
            "the scenario is not a mapping",
            "it needs keys such as `title` and `expect`",
            "see docs/simulate.md",
        )
        return None
    return node


def _explain(problem: yaml.YAMLError) -> str:
    """Return what is wrong with the YAML, in a line."""
    if isinstance(problem, yaml.reader.ReaderError):
        if problem.encoding == "unicode":
            return f"it has the character U+{problem.character:04X}, which text files do not have"
        return "the file is not text in UTF-8"
    context, said = getattr(problem, "context", None), getattr(problem, "problem", None)
    return f"{context}, {said}" if context and said and said.startswith("but ") else str(said or problem)


class _Section:
    """One mapping of the file: every key is asked for by its type, and what nobody asked for is a finding."""

    def __init__(
        self,
        node: yaml.MappingNode,
        file: str,
        path: str,
        findings: list[Finding],
        places: dict[str, Place] | None = None,
    ) -> None:
        self._file = file
        self._path = path
        self._findings = findings
        self._values: dict[str, yaml.Node] = {}
        self._keys: dict[str, yaml.Node] = {}
        self._asked: set[str] = set()
        self.places: dict[str, Place] = {} if places is None else places
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.refuse(key, "a key is not a text", "keys are words such as `title`", "write NAME: VALUE")
                continue
            name = str(key.value)
            if name in self._values:
                why = "of two values of one key, one would be lost"
                self.refuse(key, f"`{name}` stands here twice", why, "remove one of them")
            self._values[name] = value
            self._keys[name] = key
            self.places[self._name(name)] = Place(file, value.start_mark.line + 1, value.start_mark.column + 1)

    def refuse(self, node: yaml.Node, what: str, why: str, fix: str) -> None:
        mark = node.start_mark
        self._findings.append(Finding(what, why, fix, Place(self._file, mark.line + 1, mark.column + 1)))

    @property
    def base(self) -> Path:
        """The folder that paths in the file are relative to."""
        return Path(self._file).parent

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
            self.refuse(node, f"`{self._name(key)}` has to be a text", _describe(node), "write one value")
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

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        value = self.number(key, default, least, most)
        node = self.get(key)
        if node is not None and value != int(value):
            self.refuse(
                node, f"`{self._name(key)}` has to be a whole number", f"it is {value:g}", f"for example {default}"
            )
            return default
        return int(value)

    def optional_number(self, key: str, least: float, most: float) -> float | None:
        return None if self.get(key) is None else self.number(key, least, least, most)

    def flag(self, key: str, default: bool | None = False) -> bool | None:
        node = self.get(key)
        if node is None:
            return default
        if node.tag != "tag:yaml.org,2002:bool":
            self.refuse(node, f"`{self._name(key)}` has to be true or false", _describe(node), "write true or false")
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
                self.refuse(
                    item, f"`{self._name(key)}` holds something that is no text", _describe(item), "write one value"
                )
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
            self.refuse(node, f"`{self._name(key)}` has to be a mapping of texts", _describe(node), "write NAME: VALUE")
            return {}
        inner = _Section(node, self._file, self._name(key), self._findings, self.places)
        return {name: inner.text(name) for name in inner._values}

    def plain(self, key: str) -> Any:
        """Return the value as YAML means it, whatever it is; for what another part of the tool will read."""
        node = self.get(key)
        return None if node is None else self._to_plain(node)

    def _to_plain(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): self._to_plain(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [self._to_plain(item) for item in node.value]
        if node.tag not in _PLAIN_TAGS:
            # A date, a time: written without quotes, and meant as it stands there.
            return str(node.value)
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.refuse(node, "a value is not what it is marked as", f"it is marked `{node.tag}`", "drop the mark")
            return None

    def section(self, key: str, read: Callable[[_Section], T], default: T) -> T:
        node = self.get(key)
        if node is None:
            return default
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, f"`{self._name(key)}` has to be a mapping", _describe(node), "see docs/simulate.md")
            return default
        inner = _Section(node, self._file, self._name(key), self._findings, self.places)
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


_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null"))


def _describe(node: yaml.Node) -> str:
    """Say what stands there instead of what should."""
    if isinstance(node, yaml.MappingNode):
        return "it is a mapping"
    return "it is a list" if isinstance(node, yaml.SequenceNode) else f"it is `{str(node.value)[:40]}`"


def _read(section: _Section, name: str, file: str) -> Scenario:
    reactions, by_name = _read_reactions(section)
    scenario = Scenario(
        name=section.text("name", name) or name,
        title=section.text("title", name.replace("-", " ")),
        file=file,
        places=section.places,
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
        "placed": bool(section.flag("placed")),
        "asks_after_refusal": bool(section.flag("asks_after_refusal", True)),
        "parameters": _read_parameters(section),
        "query": section.table("query"),
        "repeat_webhooks": bool(section.flag("repeat_webhooks")),
    }


def _read_parameters(section: _Section) -> dict[str, str]:
    parameters = section.table("parameters")
    node = section.get("parameters")
    for name in parameters:
        if node is not None and (name in _OWN_FIELDS or name in _FIXED_FIELDS):
            why = "the call itself sets it"
            fix = f"use `{_OWN_FIELDS[name]}`" if name in _OWN_FIELDS else "remove it"
            section.refuse(node, f"`call.parameters.{name}` cannot be chosen", why, fix)
    return parameters


def _read_variables(section: _Section) -> dict[str, str]:
    variables = section.table("variables")
    node = section.get("variables")
    for name in variables:
        if node is not None and re.match(r"(ASAPP_API|GA_ASAPP)_", name):
            why = "it says which ASAPP is asked: the mock, or the config's with `--asapp live`"
            section.refuse(node, f"`deployment.variables.{name}` cannot be chosen", why, "see `asapp.faults`")
    return variables


def _read_asapp(section: _Section) -> AsappScript:
    script = section.plain("script")
    faults = section.plain("faults") or []
    node = section.get("script")
    if node is not None and not isinstance(script, str | dict):
        section.refuse(
            node, "`asapp.script` has to be a name or a mapping", _describe(node), "for example `script: agent`"
        )
        script = None
    node = section.get("faults")
    if node is not None and not (isinstance(faults, list) and all(isinstance(fault, dict) for fault in faults)):
        fix = "- {endpoint: stream-url, status: 401}"
        section.refuse(node, "`asapp.faults` has to be a list of faults", _describe(node), fix)
        faults = []
    return AsappScript(script or "agent", tuple(faults))


def _read_caller(section: _Section) -> CallerScript:
    return CallerScript(
        hang_up=section.section("hang_up", _read_hang_up, None),
        ends_message=section.choice("ends_message", ("hang-up", "key", "nothing"), "hang-up"),  # type: ignore[arg-type]
        says=_read_voice(section),
        keys=_read_keys(section),
        menu_keys=_read_menu_keys(section),
        barge_in_after=section.optional_number("barge_in_after", 0, 600),
        noise_dbfs=section.optional_number("noise_dbfs", -90, 0),
        loss=section.number("loss", 0.0, 0, 0.9),
        jitter_ms=section.number("jitter_ms", 0.0, 0, 1000),
        seed=section.whole("seed", 1, 0, 2**31),
    )


def _read_voice(section: _Section) -> str:
    """Return a shipped voice's name, or the path of a WAV, which is relative to the scenario's file."""
    name = section.text("says")
    if not name or name in {voice.name for voice in list_voices()}:
        return name
    file = section.base / Path(name).expanduser()
    node = section.get("says")
    if node is not None and not os.path.isfile(file):  # noqa: PTH113 - a name that no file can have is no error here
        near = difflib.get_close_matches(name, [voice.name for voice in list_voices()], 1)
        fix = f"did you mean `{near[0]}`?" if near else "name one of: " + ", ".join(v.name for v in list_voices())
        section.refuse(node, f"there is no caller's voice `{name}`", "it is neither a shipped voice nor a WAV", fix)
    return str(file)


def _read_keys(section: _Section) -> str:
    keys = section.text("keys")
    node = section.get("keys")
    if node is not None and not re.fullmatch("[0-9*#A-Dw]*", keys):
        why = "a telephone has 0 to 9, *, # and A to D; `w` waits half a second"
        section.refuse(node, f"`caller.keys` cannot be `{keys}`", why, 'for example "12#"')
    return keys


def _read_menu_keys(section: _Section) -> tuple[str, ...]:
    texts = section.texts("menu_keys") or ()
    node = section.get("menu_keys")
    wrong = [text for text in texts if not re.fullmatch("[0-9*#A-Dw]*", text)]
    if node is not None and wrong:
        why = "a telephone has 0 to 9, *, # and A to D; `w` waits half a second"
        section.refuse(node, f"`caller.menu_keys` cannot hold `{wrong[0]}`", why, 'for example ["1", "2#"]')
    return texts


def _read_hang_up(section: _Section) -> HangUp | None:
    phase = section.choice("during", PHASES, "stream")
    return HangUp(phase, section.number("after", 0.0, 0, 3600))  # type: ignore[arg-type]


def _read_deployment(section: _Section) -> DeploymentFault:
    return DeploymentFault(
        broken=section.texts("broken", ("engage", "call_complete", "stream_status")) or (),
        how=section.choice("how", ("throws", "hangs", "text", "empty", "json"), "throws"),  # type: ignore[arg-type]
        all_closed=bool(section.flag("all_closed")),
        all_open=bool(section.flag("all_open")),
        agent_closed=bool(section.flag("agent_closed")),
        send_to=section.text("send_to"),
        variables=_read_variables(section),
    )


def _read_page(section: _Section) -> Page | None:
    return Page(
        section.whole("status", 200, 100, 599),
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
        return (), {name: _react(result) for name, result in known}
    results = section.texts("destinations", RESULTS) or ()
    return tuple(_react(result) for result in results), {}


def _react(result: str) -> Reaction:
    """Return what a result stands for; who declines picks up, and presses nothing when a whisper asks."""
    return Reaction(keys="") if result == "declined" else Reaction(result)  # type: ignore[arg-type]


def _read_expectation(section: _Section) -> Expectation:
    usual = Expectation()
    endings = section.texts("ending", ENDINGS)
    codes = section.texts("errors") or ()
    node = section.get("errors")
    if node is not None and not all(re.fullmatch("[0-9]{5}", code) for code in codes):
        section.refuse(node, "`expect.errors` holds Twilio's codes", "they have five digits", "for example [31920]")
    return Expectation(
        outcome=section.choice("outcome", OUTCOMES, "") or None,
        ending=frozenset(endings) if endings else None,  # type: ignore[arg-type]
        went=section.texts("went"),
        reaches=section.flag("reaches", None),
        said=section.texts("said") or (),
        not_said=section.texts("not_said") or (),
        streams=None if section.get("streams") is None else section.whole("streams", 1, 0, 20),
        errors=frozenset(int(code) for code in codes if re.fullmatch("[0-9]{5}", code)),
        told=section.table("told"),
        pressed=section.text("pressed"),
        barge_in_within=section.optional_number("barge_in_within", 0, 60),
        hears_caller=section.optional_number("hears_caller", 0, 1),
        waits=bool(section.flag("waits")),
        max_dead_air=section.number("max_dead_air", usual.max_dead_air, 0, 600),
        max_first_twiml=section.number("max_first_twiml", usual.max_first_twiml, 0, 60),
        max_first_audio=section.number("max_first_audio", usual.max_first_audio, 0, 60),
    )
