"""What the handler of a verb works on, and what several handlers need."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.twilio_rules.check import find_breaks

if TYPE_CHECKING:
    from ga_deploy.simulate.interpreter.beside import Beside
    from ga_deploy.simulate.interpreter.callbacks import StatusCallbacks
    from ga_deploy.simulate.interpreter.documents import Documents
    from ga_deploy.simulate.interpreter.plan import CallPlan
    from ga_deploy.simulate.interpreter.progress import CallProgress
    from ga_deploy.simulate.interpreter.transports import OpenStream
    from ga_deploy.simulate.interpreter.twiml import Element


@dataclass
class CallInProgress:
    """One call with everything that its verbs need.

    `menus` counts the Gathers so far. `is_followed`: whether the document has more than a Hangup after the present
    verb.
    """

    plan: CallPlan
    progress: CallProgress
    documents: Documents
    callbacks: StatusCallbacks
    open_stream: OpenStream
    beside: Beside
    menus: int = 0
    is_followed: bool = False


def note_breaks(call: CallInProgress, verb: Element) -> bool:
    """Put on record what Twilio would log about a verb; True when Twilio refuses the verb itself.

    What is refused inside a verb is left to the handler of that verb.
    """
    broken = tuple(find_breaks((verb,)))
    for one in broken:
        if one.row.refused and one.element is not verb:
            continue
        call.progress.note("error" if one.row.breaks else "warning", str(one), {"line": one.element.line})
    return any(one.element is verb and one.row.refused for one in broken)


def make_sid(prefix: str) -> str:
    """Return a new SID of Twilio's form: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def describe_recording(account_sid: str, seconds: float) -> dict[str, str]:
    """Return an action's parameters about a recording. To fetch the recording takes the account's credentials."""
    sid = make_sid("RE")
    url = f"https://api.twilio.com/2010-04-01/Accounts/{account_sid}/Recordings/{sid}"
    return {"RecordingUrl": url, "RecordingSid": sid, "RecordingDuration": str(round(seconds))}
