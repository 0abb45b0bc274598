"""A whole call as Twilio's voice platform plays it: webhook, TwiML, media stream, action, next TwiML, end.

`HANDLERS` lists the verbs that are carried out. How sure the finer points are is in docs/unverified.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.simulate.interpreter import prompts, streams, transfers
from ga_deploy.simulate.interpreter.beside import Beside
from ga_deploy.simulate.interpreter.call import CallInProgress, make_sid, note_breaks
from ga_deploy.simulate.interpreter.callbacks import StatusCallbacks
from ga_deploy.simulate.interpreter.documents import DocumentRequest, Documents, request_action
from ga_deploy.simulate.interpreter.progress import CallerGoneError, CallOverError, CallProgress
from ga_deploy.simulate.interpreter.twiml import resolve
from ga_deploy.simulate.interpreter.webhook import WebhookClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ga_deploy.simulate.interpreter.clock import Clock
    from ga_deploy.simulate.interpreter.documents import FetchedDocument
    from ga_deploy.simulate.interpreter.plan import CallPlan
    from ga_deploy.simulate.interpreter.record import CallRecord, Ending
    from ga_deploy.simulate.interpreter.transports import Transports
    from ga_deploy.simulate.interpreter.twiml import Element

    # Carries a verb out. Gets the call, the verb and the URL of its document; returns the document to go on with, or
    # None to go on with the next verb.
    Handler = Callable[[CallInProgress, Element, str], Awaitable[DocumentRequest | None]]


async def place_call(plan: CallPlan, transports: Transports, clock: Clock) -> CallRecord:
    """Place the call and return what happened. Never raises for what the deployment or ASAPP does."""
    progress = CallProgress(plan, clock)
    web = WebhookClient(transports, clock)
    callbacks = StatusCallbacks(progress, web)
    documents = Documents(progress, web)
    call = CallInProgress(plan, progress, documents, callbacks, transports.open_stream, Beside())
    ending: Ending
    try:
        ending = await _run(call)
    except CallerGoneError:
        ending = "caller-hung-up"
        progress.note("hangup", "the caller hangs up")
    except CallOverError as over:
        ending = over.ending
    seconds = progress.now()
    await callbacks.finish()
    return progress.make_record(ending, seconds)


async def _run(call: CallInProgress) -> Ending:
    call.progress.enter("ringing")
    if call.plan.placed:
        call.progress.answer()
    request: DocumentRequest | None = DocumentRequest(call.plan.voice_url, call.plan.voice_method)
    while request is not None:
        request = await _carry_out(call, await call.documents.load(request))
    call.progress.note("hangup", "Twilio hangs up: the TwiML is at its end")
    return "hung-up"


async def _carry_out(call: CallInProgress, document: FetchedDocument) -> DocumentRequest | None:
    twiml = document.twiml
    if not twiml.verbs:
        call.progress.answer()
    if twiml.kind == "speech":
        await prompts.speak(call, twiml.speech, plain=True)
        return None
    if twiml.kind == "audio":
        await call.progress.pass_time("play", "the answer itself is a sound", call.plan.play_seconds, heard=True)
        return None
    for number, verb in enumerate(twiml.verbs, 1):
        if not _rings_on(verb):
            call.progress.answer()
        call.is_followed = any(later.name != "Hangup" for later in twiml.verbs[number:])
        request = await _carry_out_verb(call, verb, document.url)
        if request is not None:
            return request
    return None


def _rings_on(verb: Element) -> bool:
    """Tell whether a call that nobody answered yet goes on ringing with this verb: none of these needs the line."""
    return verb.name in {"Reject", "Redirect"} or (verb.name == "Dial" and transfers.is_answered_on_bridge(verb))


async def _carry_out_verb(call: CallInProgress, verb: Element, base: str) -> DocumentRequest | None:
    handler = HANDLERS.get(verb.name)
    if handler is None:
        call.progress.note("warning", f"`{verb.name}` is not simulated and skipped", {"line": verb.line})
        return None
    if verb.name not in _CHECKED_BY_TARGETS and note_breaks(call, verb):
        return None
    return await handler(call, verb, base)


async def _redirect(_: CallInProgress, verb: Element, base: str) -> DocumentRequest:
    return DocumentRequest(resolve(base, verb.text), verb.get("method", "POST").upper())


async def _hang_up(call: CallInProgress, _: Element, __: str) -> None:
    call.progress.note("hangup", "the TwiML hangs up")
    raise CallOverError("hung-up")


async def _reject(call: CallInProgress, verb: Element, _: str) -> None:
    call.progress.note("reject", f"the TwiML rejects the call ({verb.get('reason', 'rejected')})")
    raise CallOverError("rejected")


async def _sms(call: CallInProgress, verb: Element, base: str) -> DocumentRequest | None:
    """Name a text message that Twilio would send beside the call. The next verb follows unless there is an action."""
    to, sender = verb.get("to", call.plan.customer), verb.get("from", call.plan.ours)
    call.progress.note("sms", f"a text to {to} is not sent here", {"text": verb.text, "to": to, "from": sender})
    if "action" not in verb.attributes:
        return None
    return request_action(verb, base, {"SmsSid": make_sid("SM"), "SmsStatus": "sent"})


async def _start(call: CallInProgress, verb: Element, _: str) -> None:
    for kind, label, noun in call.beside.start(verb):
        begun = {"noun": noun.name, "attributes": dict(noun.attributes)} if noun else None
        call.progress.note(kind, label, begun)


async def _stop(call: CallInProgress, verb: Element, _: str) -> None:
    for kind, label in call.beside.stop(verb):
        call.progress.note(kind, label)


# The verbs that are carried out. Twilio knows others too: one of those is skipped, with a warning.
HANDLERS: Mapping[str, Handler] = {
    "Connect": streams.connect,
    "Dial": transfers.dial,
    "Enqueue": transfers.enqueue,
    "Gather": prompts.gather,
    "Hangup": _hang_up,
    "Pause": prompts.pause,
    "Play": prompts.play,
    "Record": prompts.record,
    "Redirect": _redirect,
    "Refer": transfers.refer,
    "Reject": _reject,
    "Say": prompts.say,
    "Sms": _sms,
    "Start": _start,
    "Stop": _stop,
}
# `targets` checks these against Twilio's rules: it knows what is done with the rest of a verb that is refused in part.
_CHECKED_BY_TARGETS = frozenset({"Dial", "Enqueue", "Refer"})
