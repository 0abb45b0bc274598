"""`validate`: check everything that needs neither Twilio nor ASAPP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.errors import ConfigInvalid, ExitCode, Finding

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config
    from ga_deploy.invocation.context import Context
    from ga_deploy.model.bundle import Bundle


def run(ctx: Context) -> ExitCode:
    """Check config, templates, hooks and JavaScript. Raises `ConfigInvalid` with all findings, warnings included.

    Warnings alone are no failure. Nothing is sent and nothing is started, not even with `--local`.
    """
    from ga_deploy.config.load import load_config
    from ga_deploy.local import LocalStack

    local = LocalStack("http://127.0.0.1").stand_in if ctx.local else None
    config = load_config(ctx.config_path, ctx.environment, local=local)
    bundle, findings = _check_functions(config)
    findings = [*config.warnings, *findings]
    if bundle is None or any(finding.level == "error" for finding in findings):
        raise ConfigInvalid(tuple(findings))
    ctx.ui.findings(findings)
    payload = {
        "valid": True,
        "environment": config.environment.name,
        "functions": [function.path for function in bundle.functions],
        "findings": [_to_json(finding) for finding in findings],
    }
    count = len(findings)
    warned = f", {count} warning{'s' if count > 1 else ''}" if findings else ""
    checked = f"{len(bundle.functions)} functions checked{warned}"
    ctx.ui.result(payload, f"{ctx.config_path} is valid for `{config.environment.name}`: {checked}")
    return ExitCode.OK


def _check_functions(config: Config) -> tuple[Bundle | None, list[Finding]]:
    from ga_deploy.lint import find_node, lint
    from ga_deploy.render import render
    from ga_deploy.render.own_templates import check_own_templates

    findings = check_own_templates(config.templates) if config.templates else []
    try:
        bundle = render(config)
    except ConfigInvalid as problem:
        return None, [*findings, *problem.findings]
    return bundle, [*findings, *lint(bundle, find_node()), *_check_flow(config)]


def _check_flow(config: Config) -> tuple[Finding, ...]:
    """Return the problems that prevent building the flow. `up` also lets Twilio validate it."""
    from ga_deploy.studio import FlowTarget, build_flow, read_base

    if not config.flow.enabled:
        return ()
    try:
        build_flow(config, FlowTarget("", "", "", ""), read_base(config))
    except ConfigInvalid as problem:
        return problem.findings
    return ()


def _to_json(finding: Finding) -> dict[str, object]:
    at = finding.at
    return {
        "level": finding.level,
        "what": finding.what,
        "why": finding.why,
        "fix": finding.fix,
        "file": at.file if at else None,
        "line": at.line if at else None,
        "column": at.column if at else None,
    }
