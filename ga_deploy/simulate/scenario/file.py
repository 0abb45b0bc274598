"""Scenario files: YAML in, scenarios or findings with positions out. All findings of a file at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ga_deploy.errors import ConfigInvalid, Finding, Place
from ga_deploy.plain_file import read_plain_file
from ga_deploy.simulate.interpreter.plan import HangUp, Page, Reaction
from ga_deploy.simulate.judge.verdict import Expectation
from ga_deploy.simulate.scenario.explain import explain, list_places
from ga_deploy.simulate.scenario.scenario import AsappScript, CallerScript, DeploymentFault, Scenario
from ga_deploy.simulate.scenario.schema import ScenarioFile
from ga_deploy.simulate.scenario.values import suggest, to_values
from ga_deploy.yaml_tree.composer import FileKind, parse_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

SHIPPED = Path(__file__).parents[1] / "scenarios"
MAX_BYTES = 64 * 1024
# Without anchors and aliases, by which one value could stand for very many.
SCENARIO_FILE = FileKind(
    noun="scenario", deepest=20, has_anchors=False, example="`title` and `expect`", start="see docs/simulate.md"
)


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
            fix = suggest(name, shipped, "`ga-deploy simulate --list` lists them")
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
        finding = Finding("the scenario cannot be read", problem.strerror or "", fix, Place(str(path)))
        raise ConfigInvalid((finding,)) from problem
    return parse_scenario(text, str(path), path.stem)


def parse_scenario(text: bytes, file: str, name: str) -> Scenario:
    """Return the scenario in `text`; `name` is its name when it does not give itself one."""
    if len(text) > MAX_BYTES:
        why = f"a scenario has at most {MAX_BYTES} bytes"
        raise ConfigInvalid((Finding("the scenario is too large", why, "split it", Place(file)),))
    root, findings = parse_bytes(text, file, SCENARIO_FILE)
    if root is None:
        raise ConfigInvalid(tuple(findings))
    written = None
    try:
        written = ScenarioFile.model_validate(to_values(root), context=Path(file).parent)
    except ValidationError as problem:
        findings += [explain(error, root, ScenarioFile) for error in problem.errors()]
    if written is None or findings:
        raise ConfigInvalid(tuple(sorted(findings, key=_position)))
    return _to_scenario(written, name, file, list_places(root))


def _position(finding: Finding) -> tuple[int, int]:
    return (finding.at.line or 0, finding.at.column or 0) if finding.at else (0, 0)


def _to_scenario(written: ScenarioFile, name: str, file: str, places: dict[str, Place]) -> Scenario:
    caller = _list_fields(written.caller)
    caller["hang_up"] = HangUp(**_list_fields(written.caller.hang_up)) if written.caller.hang_up else None
    expect = _list_fields(written.expect)
    expect["ending"] = frozenset(written.expect.ending) or None
    expect["errors"] = frozenset(int(code) for code in written.expect.errors)
    results = written.destinations
    named = results if isinstance(results, dict) else {}
    return Scenario(
        name=written.name or name,
        title=written.title or name.replace("-", " "),
        file=file,
        places=places,
        tags=written.tags,
        for_each=written.for_each,  # type: ignore[arg-type]
        only_if=written.only_if,
        asapp=AsappScript(**_list_fields(written.asapp)),
        caller=CallerScript(**caller),
        reactions=() if named else tuple(_react(result) for result in results),
        reactions_by_name={name: _react(result) for name, result in named.items()},
        deployment=DeploymentFault(**_list_fields(written.deployment)),
        fallback=Page(**_list_fields(written.fallback)) if written.fallback else None,
        pace=written.pace,  # type: ignore[arg-type]
        expect=Expectation(**expect),
        **_list_fields(written.call),
    )


def _list_fields(section: BaseModel) -> dict[str, Any]:
    """Return a section's values by name. The plain classes of a scenario have the same names."""
    return {name: getattr(section, name) for name in type(section).model_fields}


def _react(result: str) -> Reaction:
    """Return what a result stands for: who declines picks up, and presses nothing when a whisper asks."""
    return Reaction(keys="") if result == "declined" else Reaction(result)  # type: ignore[arg-type]
