"""`render`: write the functions as a Serverless Toolkit project, to read, run and deploy them without ga-deploy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ga_deploy.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.config.schema import Config
    from ga_deploy.invocation.context import Context


def run(ctx: Context, out: Path) -> ExitCode:
    """Write the project of the selected environment to `out`. Sends nothing."""
    from ga_deploy.lint import find_node, lint
    from ga_deploy.render import render, write_project

    config = ctx.load()
    bundle = render(config)
    findings = lint(bundle, find_node())
    ctx.ui.findings(findings)
    name = re.sub(r"[^a-z0-9-]+", "-", config.service.name.lower()).strip("-") or "ga-deploy-functions"
    flow = _write_flow(config) if config.flow.enabled else None
    files = write_project(bundle, out, name=name, runtime=config.service.runtime, flow=flow)
    payload = {
        "out": str(out),
        "environment": config.environment.name,
        "fingerprint": bundle.fingerprint,
        "files": list(files),
        "findings": [{"level": one.level, "what": one.what, "at": str(one.at) if one.at else None} for one in findings],
    }
    functions = sum(path.endswith(".js") for path in files)
    human = (
        f"Wrote {functions} functions of the environment `{config.environment.name}` to {out}.\n"
        f"Run them:  cd {out} && npm install && cp .env.example .env && npx twilio-run start"
    )
    ctx.ui.result(payload, human)
    return ExitCode.OK


def _write_flow(config: Config) -> str:
    """Return the definition of the flow for a future deployment. The user fills in its domain and SIDs."""
    from ga_deploy.studio.build import FlowTarget, build_flow, read_base
    from ga_deploy.studio.definition import dump_definition

    target = FlowTarget("DOMAIN_NAME", service_sid="", environment_sid="", call_transfer_sid="")
    return dump_definition(build_flow(config, target, read_base(config)), indent=2) + "\n"
