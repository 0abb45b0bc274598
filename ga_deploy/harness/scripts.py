"""What a scenario asks of the mock ASAPP: its script, its faults, and the result that follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.asapp_mock.faults import read_fault
from ga_deploy.asapp_mock.script import SHIPPED, Ending, Script, read_script
from ga_deploy.errors import ConfigInvalid, DeployError, Finding, Place
from ga_deploy.harness.options import read_voice_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.simulate.scenario.scenario import Scenario


def find_bad_scripts(scenarios: Sequence[Scenario]) -> tuple[Finding, ...]:
    """Return a finding for every scenario whose script, faults or voice cannot be used."""
    findings: list[Finding] = []
    for scenario in scenarios:
        try:
            read_script_of(scenario)
        except ConfigInvalid as problem:
            findings += problem.findings
        if not scenario.caller.says:
            continue
        try:
            read_voice_once(scenario.caller.says)
        except DeployError as problem:
            place = scenario.places.get("caller.says") or Place(scenario.file)
            findings.append(Finding(problem.what, problem.why, problem.fix, place))
    return tuple(findings)


def read_script_of(scenario: Scenario) -> Script:
    """Return the mock's script for a scenario.

    Raises ConfigInvalid for a script or a fault that the mock does not know.
    """
    wanted = scenario.asapp
    try:
        for fault in wanted.faults:
            read_fault(fault)
        if not isinstance(wanted.script, str):
            return read_script(wanted.script)
        script = SHIPPED.get(wanted.script)
        why = f"there is no script `{wanted.script}`; there are {', '.join(sorted(SHIPPED))}"
    except (ValueError, TypeError) as problem:
        script, why = None, str(problem)
    if script is None:
        what = f"the mock ASAPP cannot play scenario `{scenario.name}`"
        place = scenario.places.get("asapp") or Place(scenario.file)
        raise ConfigInvalid((Finding(what, why, "correct `asapp` in the scenario", place),))
    return script


def read_result(script: Script) -> dict[str, str]:
    """Return the result that the mock will report, under the names that configs use."""
    report = script.report
    result = {"outcome.status": report.status.upper()}
    if script.ending in {Ending.AGENT, Ending.SYSTEM}:
        result["outcome.transferType"] = script.ending.value
    if report.task:
        result["outcome.currentTaskName"] = report.task
    result |= {f"transferVariables.{name}": str(value) for name, value in report.transfer_variables.items()}
    return result | {f"referenceVariables.{name}": str(value) for name, value in report.reference_variables.items()}
