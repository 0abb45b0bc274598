"""`status`: show what is live, and what somebody has changed since the last deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.errors import ExitCode
from ga_deploy.invocation.session import make_session
from ga_deploy.redact import MASK

if TYPE_CHECKING:
    from pathlib import Path

    from rich.text import Text

    from ga_deploy.engine.status import EnvironmentStatus
    from ga_deploy.invocation.context import Context
    from ga_deploy.model.desired import Desired


def run(ctx: Context, *, detailed_exitcode: bool = False) -> ExitCode:
    """Show what is live. Writes nothing to Twilio. With `detailed_exitcode`, drift ends in exit code 2."""
    from ga_deploy.engine.status import read_status

    config = ctx.load()
    session = make_session(ctx, config)
    status = read_status(session)
    payload = _to_json(status, session.desired)
    ctx.ui.result(payload, _draw(status, session.desired, ctx.config_path))
    return ExitCode.PENDING if detailed_exitcode and status.drift else ExitCode.OK


def _to_json(status: EnvironmentStatus, desired: Desired) -> dict[str, object]:
    from ga_deploy.engine.numbers.settings import describe
    from ga_deploy.engine.plan.ownership import Ownership

    seen, latest = status.observed, status.observed.record.latest
    owner = Ownership(desired, seen)
    environment, build = seen.environment, seen.build
    domain = environment.domain_name if environment else None
    return {
        "live": build is not None and owner.has_ours_live,
        "account_sid": desired.account_sid,
        "service": desired.service_name,
        "service_sid": seen.service.sid if seen.service else None,
        "environment": desired.environment,
        "environment_sid": environment.sid if environment else None,
        "domain_name": domain,
        "build": {"sid": build.sid, "date_created": build.date_created, "runtime": build.runtime} if build else None,
        "release": {
            "name": latest.name,
            "when": latest.when,
            "who": latest.who,
            "command": latest.command,
            "build_sid": latest.build_sid,
        }
        if latest
        else None,
        "record": seen.record.where,
        "functions": [
            {
                "path": function.version.path,
                "visibility": function.version.visibility,
                "ours": owner.is_our_function(function),
                "url": f"https://{domain}{function.version.path}" if function.version.visibility != "private" else None,
            }
            for function in sorted(seen.live, key=lambda function: function.version.path)
        ],
        "dependencies": dict(build.dependencies) if build else {},
        "variables": {variable.key: MASK for variable in seen.variables},
        "numbers": {
            number: {
                "reaches": describe(found.settings),
                "recorded": number in status.recorded,
            }
            for number, found in sorted(status.numbers.items())
        },
        "flow": {
            "sid": status.flow.sid,
            "friendly_name": status.flow.friendly_name,
            "status": status.flow.status,
            "revision": status.flow.revision,
            "webhook_url": status.flow.webhook_url,
        }
        if status.flow
        else None,
        "drift": [{"address": drift.address, "what": drift.what} for drift in status.drift],
        "pending": None if status.pending is None else len(status.pending.writes),
    }


def _draw(status: EnvironmentStatus, desired: Desired, config_file: Path) -> Text:
    from rich.text import Text

    from ga_deploy.engine.numbers.settings import describe
    from ga_deploy.engine.plan.ownership import Ownership

    seen, latest = status.observed, status.observed.record.latest
    text = Text()
    text.append(f"{desired.service_name} / {desired.environment}", style="bold")
    text.append(f"  account {desired.account_sid}", style="dim")
    if seen.service is None or seen.environment is None or seen.build is None:
        text.append(f"\nnothing is live: {_missing(status, desired)}\n\n  run `ga-deploy up`")
        return text
    owner = Ownership(desired, seen)
    domain = seen.environment.domain_name
    if latest:
        release = f"{latest.name}, {latest.when} by {latest.who}"
        if latest.build_sid != seen.build.sid:
            release += "; somebody else has deployed another build since"
    else:
        release = "none recorded"
    rows: list[tuple[str, str]] = [
        ("release", release),
        ("build", " ".join(part for part in (seen.build.sid, seen.build.date_created or "") if part)),
        ("runtime", seen.build.runtime or "the platform's default"),
        ("dependencies", ", ".join(f"{name} {version}" for name, version in sorted(seen.build.dependencies.items()))),
        ("record", seen.record.where),
    ]
    if status.flow:
        flow = status.flow
        rows.append(("flow", f"{flow.friendly_name} {flow.sid}, revision {flow.revision}, {flow.status}"))
    text.append("\n\n")
    for label, value in rows:
        text.append(f"  {label:<14}", style="dim").append(f"{value}\n")
    _section(
        text,
        "Functions",
        [
            (
                f"https://{domain}{function.version.path}",
                function.version.visibility + ("" if owner.is_our_function(function) else ", belongs to others"),
            )
            for function in sorted(seen.live, key=lambda function: function.version.path)
            if function.version.visibility != "private"
        ],
    )
    private = [function for function in seen.live if function.version.visibility == "private"]
    if private:
        text.append(f"  and {len(private)} private modules\n", style="dim")
    _section(text, "Variables", [(variable.key, MASK) for variable in seen.variables])
    _section(text, "Numbers", [(number, describe(found.settings)) for number, found in sorted(status.numbers.items())])
    _section(text, "Drift", [(drift.address, drift.what) for drift in status.drift])
    pending = status.pending
    if pending is not None and not pending.is_empty:
        text.append(f"\nThe config differs from it in {len(pending.writes)} changes. Run `ga-deploy plan` to see them.")
    elif pending is not None and not status.drift:
        text.append(f"\nIn sync with `{config_file}`.")
    return text


def _missing(status: EnvironmentStatus, desired: Desired) -> str:
    if status.observed.service is None:
        return f"the account has no service `{desired.service_name}`"
    if status.observed.environment is None:
        return f"the service has no environment `{desired.environment}`"
    return "nothing was deployed to this environment"


def _section(text: Text, title: str, rows: list[tuple[str, str]]) -> None:
    if not rows:
        return
    width = max(len(left) for left, _ in rows)
    text.append(f"\n{title}\n", style="bold")
    for left, right in rows:
        text.append(f"  {left:<{width}}  ").append(f"{right}\n", style="dim")
