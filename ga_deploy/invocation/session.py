"""Make the engine's session from the context of a command; the commands that deploy or read share it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ga_deploy.errors import ConfigInvalid, Usage

# A deployment makes some twenty functions: one round trip for creating, and one for uploading all of them. After
# a 429, which Twilio answers before it processes anything (docs: error 20429), the gateway sends as many as it takes.
CONCURRENCY = 20

if TYPE_CHECKING:
    from ga_deploy.config.schema import Config
    from ga_deploy.engine.session import Session
    from ga_deploy.gateway import Endpoints
    from ga_deploy.invocation.context import Context
    from ga_deploy.model.bundle import Bundle


def make_session(ctx: Context, config: Config, *, lock_timeout: float = 90.0, command: str = "up") -> Session:
    """Render the config and return the session of this command. Sends nothing.

    Raises `ConfigInvalid` if a template cannot be rendered. `GA_DEPLOY_BUILD_TIMEOUT` and `GA_DEPLOY_CHECK_TIMEOUT` are
    the seconds that a build may take and that `up` waits for the deployed paths to answer.
    """
    from ga_deploy.engine.plan.desired import make_desired
    from ga_deploy.engine.session import open_session
    from ga_deploy.engine.timing import BUILD_SECONDS, CUT_OVER_SECONDS, BuildTiming
    from ga_deploy.render import render

    bundle = render(config)
    if config.templates or config.hooks.before_engage or config.hooks.after_call:
        _check_own_code(bundle)
    desired = make_desired(config, bundle)
    gateway = ctx.gateway(config, concurrency=CONCURRENCY)
    return open_session(
        gateway,
        desired,
        state=config.state,
        folder=ctx.state_dir,
        region=_name_region(gateway.endpoints),
        report=ctx.ui.event,
        lock_timeout=lock_timeout,
        lease_seconds=read_lease_seconds(),
        timing=BuildTiming(
            poll=0.05 if ctx.local else 1.0, limit=_read_seconds("GA_DEPLOY_BUILD_TIMEOUT", BUILD_SECONDS)
        ),
        check_within=_read_seconds("GA_DEPLOY_CHECK_TIMEOUT", CUT_OVER_SECONDS),
        command=command,
        flow=config if config.flow.enabled else None,
    )


def read_lease_seconds() -> int:
    """Return the length of a lease in seconds: `GA_DEPLOY_LEASE_SECONDS`, at least six, or the default of a minute."""
    from ga_deploy.engine.lock.lease import LEASE_SECONDS

    return max(6, round(_read_seconds("GA_DEPLOY_LEASE_SECONDS", LEASE_SECONDS)))


def _check_own_code(bundle: Bundle) -> None:
    """Raise `ConfigInvalid` for JavaScript of the user that cannot run: Twilio's builds fail without a reason."""
    from ga_deploy.lint import find_node, lint

    errors = tuple(finding for finding in lint(bundle, find_node()) if finding.level == "error")
    if errors:
        raise ConfigInvalid(errors)


def _name_region(endpoints: Endpoints) -> str | None:
    """Return the region and its edge for the header of a plan; None for the default region."""
    return f"{endpoints.region} via {endpoints.edge}" if endpoints.region else None


def _read_seconds(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise Usage(
            f"{name} is not a number of seconds",
            why=f"it is set to `{text}`",
            fix=f"set it to {default:.0f}, for example, or unset it",
        )
    return seconds
