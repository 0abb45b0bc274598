"""`plan`: show what `up` would change, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError, ExitCode
from ga_deploy.invocation.session import make_session
from ga_deploy.output.plan_text import draw_plan, summarise

if TYPE_CHECKING:
    from pathlib import Path

    from rich.text import Text

    from ga_deploy.invocation.context import Context
    from ga_deploy.model.desired import Desired
    from ga_deploy.model.observed import Observed


def run(ctx: Context, *, diff: bool = False, out: Path | None = None, detailed_exitcode: bool = False) -> ExitCode:
    """Show the plan. Writes nothing to Twilio; with `out` it saves the plan for `up FILE`."""
    from ga_deploy.engine.up import look

    config = ctx.load()
    session = make_session(ctx, config)
    observed, plan = look(session, with_sources=diff)
    payload = plan.to_json()
    if out is not None:
        _save(out, payload)
    human = draw_plan(plan)
    if diff:
        diffs = diff_sources(session.desired, observed)
        payload["diffs"] = diffs
        for text in diffs.values():
            human.append_text(_draw_diff(text))
    if out is not None:
        human.append(f"\nSaved to {out}. `ga-deploy up {out}` carries out exactly this plan.")
    ctx.ui.result(payload, human)
    ctx.ui.outputs(
        {"changes": str(len(plan.writes)), "pending": "false" if plan.is_empty else "true"},
        f"### ga-deploy: plan for {plan.service} / {plan.environment}\n\n{summarise(plan)}",
    )
    return ExitCode.PENDING if detailed_exitcode and not plan.is_empty else ExitCode.OK


def diff_sources(desired: Desired, observed: Observed) -> dict[str, str]:
    """Return unified diffs from the deployed source to the rendered one, by path; only functions that differ."""
    from difflib import unified_diff

    live = {function.version.path: function.source or "" for function in observed.live}
    diffs = {}
    for file in desired.functions:
        lines = list(
            unified_diff(
                live.get(file.path, "").splitlines(),
                file.content.splitlines(),
                f"deployed {file.path}" if file.path in live else "not deployed",
                f"config {file.path}",
                lineterm="",
            )
        )
        if lines:
            diffs[file.path] = "\n".join(lines)
    return diffs


def _draw_diff(text: str) -> Text:
    from rich.text import Text

    drawn = Text("\n")
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.split("\n"):
        style = "bold" if line.startswith(("+++", "---")) else styles.get(line[:1], "default")
        drawn.append(f"\n{line}", style=style)
    return drawn


def _save(out: Path, payload: dict[str, object]) -> None:
    from ga_deploy.engine.up import as_saved

    try:
        out.write_text(json.dumps(as_saved(payload), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DeployError(
            f"cannot save the plan to {out}", why=str(error), fix="pass a writable file to `--out`"
        ) from error
