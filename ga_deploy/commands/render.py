"""`render`: the functions as a Serverless Toolkit project, for reading, running and deploying without ga-deploy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ga_deploy.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.commands.context import Context


def run(ctx: Context, out: Path) -> ExitCode:
    """Write the project of the selected environment to `out`; nothing is sent anywhere."""
    from ga_deploy.lint import find_node, lint
    from ga_deploy.render import render, write_project

    config = ctx.load()
    bundle = render(config)
    findings = lint(bundle, find_node())
    ctx.ui.findings(findings)
    name = re.sub(r"[^a-z0-9-]+", "-", config.service.name.lower()).strip("-") or "ga-deploy-functions"
    files = write_project(bundle, out, name=name, runtime=config.service.runtime)
    payload = {
        "out": str(out),
        "environment": config.environment.name,
        "fingerprint": bundle.fingerprint,
        "files": list(files),
        "findings": [{"level": one.level, "what": one.what, "at": str(one.at) if one.at else None} for one in findings],
    }
    functions = sum(path.endswith(".js") for path in files)
    human = (
        f"{functions} functions of the environment `{config.environment.name}` are in {out}\n"
        f"serve them:  cd {out} && npm install && cp .env.example .env && npx twilio-run start"
    )
    ctx.ui.result(payload, human)
    return ExitCode.OK
