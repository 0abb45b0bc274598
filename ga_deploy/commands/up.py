"""`up`: deploy, and show what is live afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError, ExitCode
from ga_deploy.invocation.session import make_session
from ga_deploy.output.plan_text import draw_plan, summarise
from ga_deploy.plain_file import read_plain_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ga_deploy.engine.up import Deployed
    from ga_deploy.invocation.context import Context
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.plan import Plan

# Bytes. A larger file is cut off there, so that it is not valid JSON.
LARGEST_PLAN = 64 * 2**20


def run(ctx: Context, *, plan_file: Path | None = None, lock_timeout: float = 90.0) -> ExitCode:
    """Deploy. A saved plan is carried out only if a fresh plan is equal to it."""
    from ga_deploy.engine.up import deploy

    ctx.require_node()
    config = ctx.load()
    saved = read_plan(plan_file) if plan_file else None
    session = make_session(ctx, config, lock_timeout=lock_timeout)
    deployed = deploy(session, agree=lambda plan: _agree(ctx, plan), saved=saved)
    payload = _to_json(deployed, session.desired)
    ctx.ui.result(payload, _say(deployed, payload))
    _hand_on(ctx, payload)
    return ExitCode.OK


def read_plan(file: Path) -> Mapping[str, object]:
    """Return a plan that `plan --out` saved. Raises `DeployError` if the file has none."""
    try:
        saved = json.loads(read_plain_file(file, LARGEST_PLAN).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DeployError(
            f"cannot read the plan {file}", why=str(error), fix="save one with `ga-deploy plan --out FILE`"
        ) from error
    if not isinstance(saved, dict) or "changes" not in saved:
        raise DeployError(
            f"{file} is not a plan", why="it has no key `changes`", fix="save one with `ga-deploy plan --out FILE`"
        )
    return saved


def _agree(ctx: Context, plan: Plan) -> None:
    if not ctx.json:
        import sys

        ctx.ui.note(ctx.ui.render(draw_plan(plan), sys.stderr))
    for change in plan.changes:
        if change.consent and change.kind == "number":
            ctx.ui.confirm(f"Bind {change.name}?", why=change.consent)
        elif change.consent:
            ctx.ui.confirm(f"{change.consent[:1].upper()}{change.consent[1:]}?")


def _to_json(deployed: Deployed, desired: Desired) -> dict[str, object]:
    plan, outcome = deployed.plan, deployed.outcome
    environment = outcome.place.environment if outcome else deployed.observed.environment
    service = outcome.place.service if outcome else deployed.observed.service
    domain = environment.domain_name if environment else None
    latest = deployed.observed.record.latest
    return {
        "changed": outcome is not None,
        "service": plan.service,
        "service_sid": service.sid if service else None,
        "environment": plan.environment,
        "environment_sid": environment.sid if environment else None,
        "domain_name": domain,
        "build_sid": outcome.build_sid if outcome else deployed.observed.build_sid,
        "release": outcome.release if outcome else (latest.name if latest else None),
        "urls": {path: f"https://{domain}{path}" for path in desired.public_paths},
        "engage_url": f"https://{domain}{desired.engage_path}",
        "changes": [change.to_json() for change in plan.changes if change.is_write],
    }


def _say(deployed: Deployed, payload: Mapping[str, object]) -> str:
    plan = deployed.plan
    urls = payload["urls"]
    lines = [f"  {url}" for url in urls.values()] if isinstance(urls, dict) else []
    if deployed.outcome is None:
        return "\n".join([summarise(plan), *lines])
    head = f"{plan.service} / {plan.environment} is live as {deployed.outcome.release}"
    return "\n".join([head, *lines])


def _hand_on(ctx: Context, payload: Mapping[str, object]) -> None:
    values = {key: str(payload[key] or "") for key in ("domain_name", "build_sid", "release", "engage_url")}
    values["changed"] = "true" if payload["changed"] else "false"
    summary = (
        f"### ga-deploy: {payload['service']} / {payload['environment']}\n\n"
        f"{'Deployed' if payload['changed'] else 'Nothing to do'}, release {payload['release']}: "
        f"{payload['engage_url']}"
    )
    ctx.ui.outputs(values, summary)
