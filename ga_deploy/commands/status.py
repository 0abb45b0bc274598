"""`status`: what is live, and what somebody changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.errors import ExitCode
from ga_deploy.invocation.session import make_session
from ga_deploy.redact import MASK

if TYPE_CHECKING:
    from rich.text import Text

    from ga_deploy.engine.status import EnvironmentStatus
    from ga_deploy.invocation.context import Context
    from ga_deploy.model.desired import Desired


def run(ctx: Context, *, detailed_exitcode: bool = False) -> ExitCode:
    """Say what is live; nothing is written to Twilio. Exit code 2 on drift, if asked for."""
    from ga_deploy.engine.status import read_status

    config = ctx.load()
    session = make_session(ctx, config)
    standing = read_status(session)
    payload = _to_json(standing, session.desired)
    ctx.ui.result(payload, _draw(standing, session.desired))
    return ExitCode.PENDING if detailed_exitcode and standing.drift else ExitCode.OK


def _to_json(standing: EnvironmentStatus, desired: Desired) -> dict[str, object]:
    from ga_deploy.engine.numbers.settings import describe
    from ga_deploy.engine.plan.ownership import Ownership

    seen, latest = standing.observed, standing.observed.record.latest
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
                "recorded": number in standing.recorded,
            }
            for number, found in sorted(standing.numbers.items())
        },
        "flow": {
            "sid": standing.flow.sid,
            "friendly_name": standing.flow.friendly_name,
            "status": standing.flow.status,
            "revision": standing.flow.revision,
            "webhook_url": standing.flow.webhook_url,
        }
        if standing.flow
        else None,
        "drift": [{"address": drift.address, "what": drift.what} for drift in standing.drift],
        "pending": None if standing.pending is None else len(standing.pending.writes),
    }


def _draw(standing: EnvironmentStatus, desired: Desired) -> Text:
    from rich.text import Text

    from ga_deploy.engine.numbers.settings import describe
    from ga_deploy.engine.plan.ownership import Ownership

    seen, latest = standing.observed, standing.observed.record.latest
    text = Text()
    text.append(f"{desired.service_name} / {desired.environment}", style="bold")
    text.append(f"  account {desired.account_sid}", style="dim")
    if seen.service is None or seen.environment is None or seen.build is None:
        text.append(f"\nnothing is live: {_missing(standing, desired)}\n\n  run `ga-deploy up`")
        return text
    owner = Ownership(desired, seen)
    domain = seen.environment.domain_name
    if latest:
        release = f"{latest.name}, {latest.when} by {latest.who}"
        if latest.build_sid != seen.build.sid:
            release += "; somebody has deployed another build since"
    else:
        release = "none on record"
    rows: list[tuple[str, str]] = [
        ("release", release),
        ("build", " ".join(part for part in (seen.build.sid, seen.build.date_created or "") if part)),
        ("runtime", seen.build.runtime or "the platform's default"),
        ("dependencies", ", ".join(f"{name} {version}" for name, version in sorted(seen.build.dependencies.items()))),
        ("record", seen.record.where),
    ]
    if standing.flow:
        flow = standing.flow
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
                function.version.visibility + ("" if owner.is_our_function(function) else ", not of this config"),
            )
            for function in sorted(seen.live, key=lambda function: function.version.path)
            if function.version.visibility != "private"
        ],
    )
    private = [function for function in seen.live if function.version.visibility == "private"]
    if private:
        text.append(f"  and {len(private)} private modules\n", style="dim")
    _section(text, "Variables", [(variable.key, MASK) for variable in seen.variables])
    _section(
        text, "Numbers", [(number, describe(found.settings)) for number, found in sorted(standing.numbers.items())]
    )
    _section(text, "Drift", [(drift.address, drift.what) for drift in standing.drift])
    pending = standing.pending
    if pending is not None and not pending.is_empty:
        text.append(f"\nThe config asks for {len(pending.writes)} changes: see `ga-deploy plan`.")
    elif pending is not None and not standing.drift:
        text.append("\nAs the config says.")
    return text


def _missing(standing: EnvironmentStatus, desired: Desired) -> str:
    if standing.observed.service is None:
        return f"there is no service `{desired.service_name}`"
    if standing.observed.environment is None:
        return f"the service has no environment `{desired.environment}`"
    return "nothing was deployed to this environment"


def _section(text: Text, title: str, rows: list[tuple[str, str]]) -> None:
    if not rows:
        return
    width = max(len(left) for left, _ in rows)
    text.append(f"\n{title}\n", style="bold")
    for left, right in rows:
        text.append(f"  {left:<{width}}  ").append(f"{right}\n", style="dim")
