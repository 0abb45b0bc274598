"""The comparison, one data file a case: what is wanted, what is there, hence every change with its reason.

A case is YAML with `why`, `desired`, `observed`, `record`, `changes` (all of them, one a line) and maybe `build`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ga_deploy.engine.plan.diff import diff
from ga_deploy.engine.record.releases import digest_variables
from ga_deploy.model.bundle import AssetFile, FunctionFile
from ga_deploy.model.desired import Desired
from ga_deploy.model.flows import Flow, OurFlow
from ga_deploy.model.observed import LiveFunction, Observed
from ga_deploy.model.release import Intent, Record, Release, ReleasedAsset, ReleasedFunction, ReleasedVariable
from ga_deploy.model.serverless import AssetVersion, Build, Environment, FunctionVersion, Service, Variable
from ga_deploy.model.sids import BuildSid, EnvironmentSid, FlowSid, FunctionSid, ServiceSid, VariableSid, VersionSid
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from ga_deploy.model.plan import Plan

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
DOMAIN = "ga-1234.twil.io"
LEFT_FLOW = Flow(FlowSid("FW1"), "Calls", "published", 1, "https://webhooks.twilio.com/1")


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def version_of(path: str) -> VersionSid:
    return VersionSid(f"ZN{path}")


def read_desired(case: dict[str, Any]) -> Desired:
    wanted = case["desired"]
    functions = []
    for path, entry in sorted(wanted.get("functions", {}).items()):
        visibility, content = entry.split(" ", 1)
        functions.append(FunctionFile(path, visibility, content))
    return Desired(
        account_sid="AC" + "0" * 32,
        service_name="ga",
        environment="ui",
        domain_suffix=wanted.get("suffix"),
        functions=tuple(functions),
        function_set=wanted.get("set", "/"),
        engage_path="/engage",
        fingerprint="f",
        dependencies=wanted.get("dependencies", {}),
        variables={
            name: Secret(value.removeprefix("secret ")) if value.startswith("secret ") else value
            for name, value in wanted.get("variables", {}).items()
        },
        runtime=wanted.get("runtime"),
        include_credentials=wanted.get("include_credentials"),
        ui_editable=wanted.get("ui_editable"),
        assets=tuple(AssetFile(path, content) for path, content in wanted.get("assets", {}).items()),
    )


def read_observed(case: dict[str, Any]) -> Observed:
    there = case.get("observed") or {}
    if not there:
        return Observed(record=read_record(case, None))
    build = None
    live = []
    if "functions" in there:
        versions = []
        for path, entry in sorted(there["functions"].items()):
            visibility, whose, content = entry.split(" ", 2)
            version = FunctionVersion(version_of(path), FunctionSid(f"ZH{path}"), path, visibility)
            versions.append(version)
            if whose == "unread":
                live.append(LiveFunction(version))
            elif whose == "recorded":
                live.append(LiveFunction(version, sha256=sha(content)))
            else:
                marked = None if whose == "foreign" else whose.removeprefix("set=")
                live.append(LiveFunction(version, sha256=sha(content), marked_set=marked, was_read=True))
        build = Build(
            BuildSid("ZB1"),
            "completed",
            there.get("runtime", "node22"),
            there.get("dependencies", {}) or {},
            tuple(versions),
            tuple(
                AssetVersion(version_of(path), FunctionSid(f"ZH{path}"), path, "public")
                for path in there.get("assets", ())
            ),
            tells_dependencies="dependencies" not in there or there["dependencies"] is not None,
        )
    environment = None
    if there.get("environment", True):
        live_build = build.sid if build else None
        environment = Environment(EnvironmentSid("ZE1"), "ui", there.get("suffix"), DOMAIN, live_build)
    return Observed(
        service=Service(ServiceSid("ZS1"), "AC" + "0" * 32, "ga", "ga", there.get("include_credentials", True), True),
        environments=(environment,) if environment else (),
        environment=environment,
        build=build,
        live=tuple(live),
        variables=tuple(
            Variable(VariableSid(f"ZV{name}"), name, value) for name, value in there.get("variables", {}).items()
        ),
        record=read_record(case, build),
        called_paths=frozenset(there.get("called", ())),
        left_flows=(OurFlow(LEFT_FLOW, is_attached=False),) if "left_flow_calls" in there else (),
        flow_paths=frozenset(there.get("left_flow_calls", ())),
        our_assets=frozenset(version_of(path) for path in there.get("our_assets", ())),
    )


def read_record(case: dict[str, Any], build: Build | None) -> Record:
    stored = case.get("record")
    if not stored:
        return Record(where="sync")
    intent = stored.get("intent")
    noted = None
    if intent:
        noted = Intent(
            release=stored.get("number", 0) + 1,
            function_set="/",
            paths=tuple(intent.get("paths", ())),
            variables=tuple(intent.get("variables", ())),
            dependencies=tuple(intent.get("dependencies", ())),
            sent_dependencies=intent.get("sent", {}),
        )
    if "functions" not in stored:
        return Record(where=stored.get("where", "sync"), intent=noted)
    functions = {}
    for path, entry in stored["functions"].items():
        words = entry.split(" ")
        kept = words[0] == "kept"
        content = " ".join(words[2:])
        functions[path] = ReleasedFunction(version_of(path), sha(content), words[1], kept=kept)
    release = Release(
        number=stored["number"],
        function_set="/",
        service_sid=ServiceSid("ZS1"),
        environment_sid=EnvironmentSid("ZE1"),
        build_sid=BuildSid(stored.get("build", "ZB1")),
        fingerprint="f",
        functions=functions,
        dependencies=stored.get("dependencies", {}),
        sent_dependencies=stored.get("sent", {}),
        variables={name: ReleasedVariable(made=whose == "made") for name, whose in stored.get("variables", {}).items()},
        variables_digest=digest_variables(read_desired(case).variables, "")
        if stored.get("variables_current", True)
        else "other",
        assets=read_released_assets(stored.get("assets", {})),
    )
    return Record(where=stored.get("where", "sync"), latest=release, last_number=stored["number"], intent=noted)


def read_released_assets(stored: dict[str, str]) -> dict[str, ReleasedAsset]:
    return {path: ReleasedAsset(version_of(path), kept=whose == "kept") for path, whose in stored.items()}


def show(plan: Plan) -> list[str]:
    return [
        f"{change.action} {change.address} {change.reason}" + (" consent" if change.consent else "")
        for change in plan.changes
    ]


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_plan(file: Path) -> None:
    case = yaml.safe_load(file.read_text())
    unknown = case.keys() - {"why", "desired", "observed", "record", "changes", "build"}
    assert not unknown, f"{file.name}: {unknown}"
    plan = diff(read_desired(case), read_observed(case))
    assert show(plan) == case["changes"], case["why"]
    expected = case.get("build")
    if expected is None:
        assert plan.recipe is None
        return
    assert plan.recipe is not None
    recipe = plan.recipe
    assert {
        "upload": [file.path for file in recipe.upload],
        "reuse": list(recipe.reuse),
        "kept": list(recipe.kept),
        "foreign": list(recipe.foreign),
        "assets": list(recipe.assets),
        "upload_assets": [file.path for file in recipe.upload_assets],
        "dependencies": dict(recipe.dependencies),
        "runtime": recipe.runtime,
    } == {
        "upload": [],
        "reuse": [],
        "kept": [],
        "foreign": [],
        "assets": [],
        "upload_assets": [],
        "runtime": "node22",
        **expected,
    }


def test_every_reason_has_a_case_and_words() -> None:
    from ga_deploy.model.plan import Reason
    from ga_deploy.output.plan_text import EXPLANATIONS

    told = {line.split(" ")[2] for file in CASES for line in yaml.safe_load(file.read_text())["changes"]}
    # Numbers are decided in `bindings`, the flow in `flows`; both have tests of their own.
    assert told | {"target_differs", "definition_differs"} == {reason.value for reason in Reason}
    assert set(EXPLANATIONS) == set(Reason)
