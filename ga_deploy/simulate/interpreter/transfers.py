"""Handing the caller over: Dial, Enqueue and Refer. Sources: Twilio docs, one page per verb."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ga_deploy.redact import redact
from ga_deploy.simulate.interpreter import targets
from ga_deploy.simulate.interpreter.call import describe_recording, make_sid
from ga_deploy.simulate.interpreter.documents import DocumentRequest, request_action
from ga_deploy.simulate.interpreter.plan import Reaction
from ga_deploy.simulate.interpreter.progress import CallerGoneError, CallOverError
from ga_deploy.simulate.interpreter.twiml import Remark, TwimlDocument, read_whole_number, resolve
from ga_deploy.simulate.interpreter.whisper import whisper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.simulate.interpreter.call import CallInProgress
    from ga_deploy.simulate.interpreter.plan import CallTarget
    from ga_deploy.simulate.interpreter.record import DialResult, Json
    from ga_deploy.simulate.interpreter.twiml import Element

# What a document behind `waitUrl` may have (Twilio docs, Enqueue).
_IN_A_QUEUE = frozenset({"Say", "Play", "Pause", "Gather", "Hangup", "Redirect", "Leave"})
_QUEUE_RESULTS = {
    "answered": "bridged",
    "busy": "queue-full",
    "no-answer": "leave",
    "failed": "system-error",
    "canceled": "leave",
}


@dataclass
class _Attempt:
    """One Dial: the targets that ring, who decides how it ends, and what the action gets to know so far."""

    found: tuple[CallTarget, ...]
    target: CallTarget | None
    reaction: Reaction
    at: float
    result: DialResult
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def answered_by(self) -> CallTarget | None:
        """Who has picked up and is connected."""
        return self.target if self.result == "answered" else None


async def dial(call: CallInProgress, verb: Element, base: str) -> DocumentRequest | None:
    """Ring all targets at once and connect the caller with the first to answer."""
    progress = call.progress
    progress.enter("transfer")
    found, problems = targets.read_dial(verb, call.plan.from_number)
    _note_problems(call, problems)
    attempt = _begin_attempt(call, found)
    try:
        await _ring(call, verb, attempt)
        if attempt.answered_by and attempt.answered_by.whisper_url:
            await _whisper(call, verb, base, attempt)
        for one in found:
            progress.add_routes((one,), attempt.result if one == attempt.target else "canceled", attempt.at)
        if attempt.answered_by:
            await _talk(call, verb, attempt)
        if found:
            attempt.parameters["DialCallSid"] = make_sid("CA")
    except CallerGoneError:
        if not _is_on_record(call, attempt.at):
            progress.add_routes(found, "canceled", attempt.at)
        await _request_after_hang_up(call, verb, base, attempt.parameters | {"DialCallStatus": "canceled"})
        raise
    return _go_on(call, verb, base, attempt.parameters, taken=attempt.result == "answered")


def _begin_attempt(call: CallInProgress, found: tuple[CallTarget, ...]) -> _Attempt:
    """Return who decides how a Dial ends: all ring at once, and the first to answer gets the call."""
    reactions = [(call.progress.react(one), one) for one in found]
    if not reactions:
        return _Attempt((), None, Reaction("failed"), call.progress.now(), "failed", {"DialCallStatus": "failed"})
    answered = [pair for pair in reactions if pair[0].result == "answered"]
    reaction, target = min(answered or reactions, key=lambda pair: pair[0].ringing)
    status = "completed" if reaction.result == "answered" else reaction.result
    return _Attempt(found, target, reaction, call.progress.now(), reaction.result, {"DialCallStatus": status})


async def _ring(call: CallInProgress, verb: Element, attempt: _Attempt) -> None:
    timeout = float(read_whole_number(verb.get("timeout"), 30))
    seconds = 0.0
    if attempt.target:
        seconds = timeout if attempt.result == "no-answer" else min(attempt.reaction.ringing, timeout)
    label = f"rings {', '.join(one.address for one in attempt.found) or 'nobody'}: {attempt.result}"
    await call.progress.pass_time("dial", label, seconds, heard=True, detail=_describe(attempt.found))


async def _whisper(call: CallInProgress, verb: Element, base: str, attempt: _Attempt) -> None:
    """Play the whisper to the target that picked up. It may end with the target not being connected."""
    target = attempt.target
    if target is None:
        return
    line = _CalledLine(call, target, heard=is_answered_on_bridge(verb))
    url = resolve(base, target.whisper_url)
    if not await whisper(line, url, target.whisper_method, attempt.reaction.keys):
        attempt.result = "declined"
        attempt.parameters |= {"DialCallStatus": "no-answer", "DialBridged": "false"}


async def _talk(call: CallInProgress, verb: Element, attempt: _Attempt) -> None:
    progress = call.progress
    progress.answer()
    target = attempt.target
    progress.note("answered", f"connected to {target.kind} {target.address}" if target else "")
    limit = float(read_whole_number(verb.get("timeLimit"), targets.TIME_LIMIT))
    cut = "" if attempt.reaction.talk <= limit else f", and are cut off after {limit:.0f} s"
    seconds = min(attempt.reaction.talk, limit)
    await progress.pass_time("dial", f"they talk{cut}", seconds, heard=True)
    attempt.parameters |= {"DialCallDuration": str(round(seconds)), "DialBridged": "true"}
    if verb.get("record", "do-not-record") not in {"do-not-record", "false"}:
        attempt.parameters |= describe_recording(call.plan.account_sid, seconds)


def is_answered_on_bridge(verb: Element) -> bool:
    """Tell whether a Dial answers an unanswered call only when it is connected."""
    return verb.get("answerOnBridge").lower() == "true"


@dataclass(frozen=True)
class _CalledLine:
    """The end of the line of somebody who has picked up. `heard`: the caller goes on hearing it ring."""

    call: CallInProgress
    target: CallTarget
    heard: bool

    async def ask(self, url: str, method: str, parameters: Mapping[str, str]) -> TwimlDocument:
        """Fetch a document of the whisper. An address outside the deployment is not contacted."""
        progress = self.call.progress
        if self.call.documents.is_elsewhere(url):
            progress.note("whisper", f"the whisper at {redact(url)} is outside the deployment: taken as heard")
            return TwimlDocument("twiml")
        caller = self.target.caller_id or self.call.plan.from_number
        own = {
            "CallSid": make_sid("CA"),
            "ParentCallSid": self.call.plan.call_sid,
            "Direction": "outbound-dial",
            "CallStatus": "in-progress",
            **dict.fromkeys(("From", "Caller"), caller),
            **dict.fromkeys(("To", "Called"), self.target.address),
        }
        request = DocumentRequest(url, method, {**own, **parameters})
        twiml, _ = await self.call.documents.exchange(request, "whisper", heard=self.heard)
        progress.requests += 1
        progress.check_caller()
        return twiml

    async def hear(self, label: str, seconds: float, text: str = "") -> None:
        """Let the called party hear something."""
        detail: dict[str, Json] = {"text": text} if text else {}
        await self.call.progress.pass_time("whisper", f"whispers: {label}", seconds, heard=self.heard, detail=detail)

    def note(self, kind: str, label: str) -> None:
        """Put an error or a warning on record."""
        self.call.progress.note(kind, label)


async def enqueue(call: CallInProgress, verb: Element, base: str) -> DocumentRequest | None:
    """Put the caller into a queue until somebody takes the call, or nobody does."""
    progress = call.progress
    progress.enter("transfer")
    target, problems = targets.read_enqueue(verb)
    at = progress.now()
    _note_problems(call, problems)
    if target is None:
        return _go_on(call, verb, base, {"QueueResult": "error"}, taken=False)
    reaction = progress.react(target)
    waiting = reaction.ringing if reaction.result != "failed" else 0.0
    label = f"queues for {target.address}: {reaction.result}"
    parameters = {"QueueResult": _QUEUE_RESULTS[reaction.result], "QueueTime": str(round(waiting))}
    try:
        if verb.get("waitUrl"):
            await _request_music(call, verb, base)
        await progress.pass_time("enqueue", label, waiting, heard=True, detail=_describe((target,)))
        progress.add_routes((target,), reaction.result, at)
        if reaction.result == "answered":
            progress.note("answered", f"connected to {target.address}")
            await progress.pass_time("enqueue", "they talk", reaction.talk, heard=True)
    except CallerGoneError:
        if not _is_on_record(call, at):
            progress.add_routes((target,), "canceled", at)
        await _request_after_hang_up(call, verb, base, parameters | {"QueueResult": "hangup"})
        raise
    return _go_on(call, verb, base, parameters, taken=reaction.result == "answered")


async def _request_music(call: CallInProgress, verb: Element, base: str) -> None:
    """Request what the caller hears in the queue. An address outside the deployment is not contacted."""
    url, method = resolve(base, verb.get("waitUrl")), verb.get("waitUrlMethod", "POST").upper()
    if call.documents.is_elsewhere(url):
        call.progress.note("wait", f"the queue's music at {redact(url)} is not requested")
        return
    call.progress.requests += 1
    request = DocumentRequest(url, method, {"QueuePosition": "1", "QueueTime": "0", "CurrentQueueSize": "1"})
    twiml, _ = await call.documents.exchange(request, "wait", heard=True)
    for wrong in (one.name for one in twiml.verbs if one.name not in _IN_A_QUEUE):
        call.progress.note("error", f"Enqueue: `{wrong}` cannot be in what is heard in a queue")


async def refer(call: CallInProgress, verb: Element, base: str) -> DocumentRequest | None:
    """Refer a caller who came in over SIP to another SIP address. If it is accepted, the call is over."""
    progress = call.progress
    progress.enter("transfer")
    target, problems = targets.read_refer(verb)
    if target and not call.plan.is_sip:
        text = "Refer: only a caller who came in over SIP can be referred"
        problems = (*problems, Remark(13801, text, verb.line))
    at = progress.now()
    _note_problems(call, problems)
    if target is None or not call.plan.is_sip:
        progress.add_routes((target,) if target else (), "failed", at)
        return _go_on(call, verb, base, {"ReferCallStatus": "failed"}, taken=False)
    reaction = progress.react(target)
    accepted = reaction.result == "answered"
    label = f"refers to {target.address}: {reaction.result}"
    await progress.pass_time("refer", label, 1.0, detail=_describe((target,)))
    progress.add_routes((target,), reaction.result, at)
    parameters = {
        "ReferCallStatus": "completed" if accepted else "failed",
        "ReferSipResponseCode": "202" if accepted else "503",
    }
    if accepted:
        await _request_after_hang_up(call, verb, base, parameters)
        raise CallOverError("transferred")
    return _go_on(call, verb, base, parameters, taken=False)


def _go_on(
    call: CallInProgress, verb: Element, base: str, parameters: Mapping[str, str], *, taken: bool
) -> DocumentRequest | None:
    """Continue after a Dial, Enqueue or Refer: with its action, or without one with the next verb."""
    if "action" in verb.attributes:
        return request_action(verb, base, parameters)
    if taken and call.is_followed:
        label = f"`{verb.name}` without action: what follows it runs after the conversation"
        call.progress.note("warning", label)
    return None


async def _request_after_hang_up(call: CallInProgress, verb: Element, base: str, parameters: Mapping[str, str]) -> None:
    if "action" in verb.attributes:
        await call.documents.request_after_hang_up(request_action(verb, base, parameters))


def _note_problems(call: CallInProgress, problems: tuple[Remark, ...]) -> None:
    for problem in problems:
        call.progress.note("error", str(problem))


def _is_on_record(call: CallInProgress, at: float) -> bool:
    routes = call.progress.routes
    return bool(routes) and routes[-1].at == at


def _describe(found: tuple[CallTarget, ...]) -> dict[str, Json]:
    return {
        "targets": [
            {
                "kind": one.kind,
                "address": one.address,
                **({"caller_id": one.caller_id} if one.caller_id else {}),
                **({"headers": dict(one.headers)} if one.headers else {}),
                **({"task": one.task} if one.task else {}),
            }
            for one in found
        ]
    }
