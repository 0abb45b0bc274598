"""Verdicts as a JUnit XML file, the form that every CI system reads."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from ga_deploy.redact import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ga_deploy.simulate.judge.verdict import Verdict


def write_junit(verdicts: Sequence[Verdict], *, suite: str = "ga-deploy simulate") -> str:
    """Return a JUnit document: a test case a call, a failure with all the reasons for each that did not pass."""
    failed = sum(not verdict.passed for verdict in verdicts)
    seconds = sum(verdict.record.seconds for verdict in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(failed), "errors": "0", "skipped": "0"}
    root = ET.Element("testsuites", {"name": suite, **counts, "time": f"{seconds:.3f}"})
    element = ET.SubElement(root, "testsuite", {"name": suite, **counts, "time": f"{seconds:.3f}"})
    for verdict in verdicts:
        record = verdict.record
        case = ET.SubElement(
            element,
            "testcase",
            {"classname": suite.replace(" ", "."), "name": _clean(record.name), "time": f"{record.seconds:.3f}"},
        )
        if not verdict.passed:
            reasons = "\n".join(str(failing) for failing in verdict.failings)
            failure = ET.SubElement(
                case, "failure", {"type": verdict.failings[0].check, "message": _clean(str(verdict.failings[0]))}
            )
            failure.text = _clean(reasons)
        lines = [f"{event.at:8.3f}  {event.kind:9}  {event.label}" for event in record.events]
        heading = [verdict.title, f"call {record.call_sid}", f"heard: {verdict.heard}", f"went: {verdict.went}"]
        ET.SubElement(case, "system-out").text = _clean("\n".join([*heading, "", *lines]))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """Return text without secrets and without the characters that XML 1.0 cannot hold."""
    return "".join(
        character
        for character in redact(text)
        if character in "\t\n\r"
        or 0x20 <= ord(character) <= 0xD7FF
        or 0xE000 <= ord(character) <= 0xFFFD
        or ord(character) >= 0x10000
    )
