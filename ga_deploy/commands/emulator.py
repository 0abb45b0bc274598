"""`emulator`: serve Twilio's APIs and the mock ASAPP on loopback, for any client, until Ctrl-C."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.errors import ExitCode

if TYPE_CHECKING:
    from ga_deploy.invocation.context import Context


def run(ctx: Context, port: int) -> ExitCode:
    """Serve until a signal arrives, and keep the state. Exit 130 after Ctrl-C, 143 after SIGTERM."""
    from ga_deploy.emulator.control.run_token import token_file
    from ga_deploy.errors import Terminated
    from ga_deploy.local import serve_stack
    from ga_deploy.local_stack import ACCOUNT_SID, AUTH_TOKEN

    with serve_stack(ctx.state_dir, port) as stack:
        token = token_file(urlsplit(stack.base_url).port or 0)
        rows = [
            ("account", ACCOUNT_SID),
            ("auth token", AUTH_TOKEN),
            ("Serverless", f"{stack.base_url}/serverless/v1"),
            ("uploads", f"{stack.base_url}/serverless-upload/v1"),
            ("numbers", f"{stack.base_url}/api/2010-04-01"),
            ("Studio", f"{stack.base_url}/studio/v2"),
            ("Sync", f"{stack.base_url}/sync/v1"),
            ("mock ASAPP", stack.asapp_url),
            ("control token", str(token)),
            ("state", str(ctx.state_dir / "emulator.sqlite3")),
        ]
        width = max(len(label) for label, _ in rows)
        text = "\n".join(
            [
                f"The emulator runs at {stack.base_url}",
                "",
                *(f"  {label:<{width}}  {value}" for label, value in rows),
                "",
                "Commands with --local in this folder use it. Other clients use the URLs above as base URLs, or send",
                "Twilio's host names in the Host header. Requests to the control plane (/_emulator) need the token in",
                "the file above: `Authorization: Bearer TOKEN`. Ctrl-C stops the emulator; its state is kept.",
            ]
        )
        payload = {"url": stack.base_url, "account_sid": ACCOUNT_SID, "asapp_url": stack.asapp_url}
        ctx.ui.result({**payload, "control_token_file": str(token)}, text)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            ended = ExitCode.INTERRUPTED
        except Terminated:
            ended = ExitCode.TERMINATED
        ctx.ui.note("the emulator has stopped; its state is kept")
    return ended
