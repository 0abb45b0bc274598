"""`smoke`: check the live deployment with signed and forged requests. It places no call.

What only a person with a telephone can judge is listed at the end.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ga_deploy.errors import CallFailed, ExitCode
from ga_deploy.harness.smoke import Smoke

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ga_deploy.config.schema import Config
    from ga_deploy.gateway import Gateway
    from ga_deploy.harness.smoke import Check
    from ga_deploy.invocation.context import Context

# What the functions take for "off" in GA_ENABLED.
OFF = frozenset({"false", "off", "no", "0", "disabled", "paused"})

# ASAPP's go-live list: what only a person with a telephone can judge.
TEST_CALLS = (
    "a normal conversation, to its end",
    "a request for a person: who answers, and what they see",
    "an interruption while the agent speaks",
    "a caller with an accent, and one in a noisy place",
    "a long silence of the caller",
    "a hang-up in the middle",
)


def run(ctx: Context, *, media: bool = False) -> ExitCode:
    """Check the live deployment. Raises CallFailed (exit 6) when a check fails, and when nothing is deployed."""
    config = ctx.load()
    gateway = ctx.gateway(config)
    domain = _find_domain(config, gateway)
    ctx.ui.note(f"Checking https://{domain}")
    bypassed = partial(is_bypassed, config, gateway, domain)
    checks = Smoke(config, gateway, f"https://{domain}", bypassed, report=ctx.ui.note).run(media=media)
    number = next((entry.number for entry in config.phone_numbers), None)
    failed = [check for check in checks if check.result == "fail"]
    payload = {
        "passed": not failed,
        "domain_name": domain,
        "checks": [{"name": one.name, "result": one.result, "what": one.what, "fix": one.fix} for one in checks],
        "number": number,
        "test_calls": list(TEST_CALLS),
    }
    ctx.ui.result(payload, _draw(checks, number))
    lines = [f"**ga-deploy smoke** on {domain}", "", *(f"- {one.result}: {one.name}, {one.what}" for one in checks)]
    ctx.ui.outputs({"domain_name": domain, "failed": str(len(failed))}, "\n".join(lines))
    if failed:
        first = failed[0]
        raise CallFailed(
            f"{len(failed)} of {len(checks)} checks failed on {domain}",
            why="; ".join(f"{check.name}: {check.what}" for check in failed),
            fix=first.fix,
        )
    return ExitCode.OK


def _find_domain(config: Config, gateway: Gateway) -> str:
    """Return the domain of the selected environment, if something is deployed there."""
    service = gateway.find_service(config.service.name)
    environments = gateway.list_environments(service.sid) if service else []
    wanted = config.environment.name
    environment = next((one for one in environments if one.unique_name == wanted), None)
    if environment is None or environment.build_sid is None:
        raise CallFailed(
            f"nothing is deployed to test in environment `{wanted}`",
            why="the environment has no build"
            if environment
            else f"service `{config.service.name}` has no such environment",
            fix="run `ga-deploy up` first",
        )
    return environment.domain_name


def is_bypassed(config: Config, gateway: Gateway, domain: str) -> bool:
    """Tell whether `ga-deploy traffic` keeps calls away from the agent, so that they get no stream."""
    service = gateway.find_service(config.service.name)
    if service is None:
        return False
    for environment in gateway.list_environments(service.sid):
        if environment.domain_name == domain:
            variables = {one.key: one.value for one in gateway.list_variables(service.sid, environment.sid)}
            off = variables.get("GA_ENABLED", "true").strip().lower() in OFF
            return off or variables.get("GA_TRAFFIC_PERCENT", "100").strip() != "100"
    return False


def _draw(checks: tuple[Check, ...], number: str | None) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    marks = {"pass": Text("✓", "green"), "fail": Text("✗", "red"), "unknown": Text("?", "yellow")}
    for check in checks:
        table.add_row(marks[check.result], Text(check.name), Text(check.what))
    ring = f"Call {number}" if number else "Bind a number (`ga-deploy bind-number`), call it"
    ring += " and try what only a person can judge:"
    return Group(table, Text(), Text(ring), *(Text(f"  · {call}") for call in TEST_CALLS))
