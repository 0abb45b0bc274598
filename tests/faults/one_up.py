"""One `up` of a small wish against a given emulator: called by the fault tests, and run as a process to be killed.

python one_up.py BASE_URL FOLDER WISH
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ga_deploy.engine.destroy import preview_removal, refuse_stranded, remove
from ga_deploy.engine.session import Session, hold, open_session
from ga_deploy.engine.timing import BuildTiming
from ga_deploy.engine.up import Deployed, deploy
from ga_deploy.gateway import Credentials, Endpoints, Gateway, Retries, Timeouts
from ga_deploy.model.bundle import MARKER, FunctionFile
from ga_deploy.model.desired import Desired
from ga_deploy.model.numbers import NumberBinding
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.model.bundle import Visibility

ACCOUNT = "AC" + "0a" * 16
TOKEN = "emulated-token-0001"
NUMBER = "+15550100000"
SOURCE = "exports.handler = (context, event, callback) => callback(null, '{}');"


def make_file(path: str, visibility: Visibility, content: str) -> FunctionFile:
    return FunctionFile(path, visibility, f"{MARKER} set=/ file={path}\n{SOURCE.format(content)}\n")


def make_wish(name: str) -> Desired:
    """`first`, or `second`: a function changed, one renamed, variables changed, gone and new, a dependency more."""
    is_first = name == "first"
    files = (
        make_file("/call-complete" if is_first else "/call-over", "protected", "over"),
        make_file("/engage", "protected", "one" if is_first else "two"),
        make_file("/lib/settings", "private", "settings"),
    )
    return Desired(
        account_sid=ACCOUNT,
        service_name="ga",
        environment="ui",
        domain_suffix=None,
        functions=files,
        function_set="/",
        engage_path="/engage",
        fingerprint=name,
        dependencies={"axios": "1.20.0"} if is_first else {"axios": "1.20.0", "dayjs": "1.11.13"},
        variables={
            "ASAPP_API_ID": Secret("id-of-the-fault-tests" if is_first else "new-id-of-the-fault-tests"),
            **({"HOOK_URL": "https://hooks.example.com"} if is_first else {"HOOK_KEY": "k"}),
        },
        numbers=(NumberBinding(NUMBER),),
    )


@contextmanager
def open_deployment(base_url: str, folder: Path, wish: str) -> Iterator[Session]:
    """Give the session, with patience cut short, so that a stall costs a test no more than a second."""
    with Gateway(
        Credentials(ACCOUNT, ACCOUNT, Secret(TOKEN)),
        endpoints=Endpoints.local(base_url),
        concurrency=8,
        timeouts=Timeouts(connect=2.0, read=0.6, upload=0.6),
        retries=Retries(attempts=3, throttled=4, first=0.01, longest=0.05, deadline=5.0),
    ) as gateway:
        yield open_session(
            gateway,
            make_wish(wish),
            state="sync",
            folder=folder,
            lock_timeout=0.0,
            timing=BuildTiming(poll=0.005, limit=5.0, lists=0.0),
            check_within=3.0,
        )


def up(base_url: str, folder: Path, wish: str) -> Deployed:
    """Deploy."""
    with open_deployment(base_url, folder, wish) as session:
        return deploy(session, agree=lambda plan: None)


def destroy(base_url: str, folder: Path, wish: str) -> None:
    """Remove what `up` made, as the command does; nothing to remove is nothing to do."""
    with open_deployment(base_url, folder, wish) as session:
        removal = preview_removal(session)
        if not removal.is_empty:
            refuse_stranded(removal)
            with hold(session, with_service=True):
                remove(session)


if __name__ == "__main__":
    up(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
