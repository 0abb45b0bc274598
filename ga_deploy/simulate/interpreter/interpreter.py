"""A whole call as Twilio's voice platform plays it: webhook, TwiML, media stream, action, next TwiML, end.

Longer than most modules on purpose: this is one interpreter, a method a verb, and its methods share the
state of the call. Sources: Twilio docs, one page per verb; how sure the finer points are is in
docs/unverified.md.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.redact import redact
from ga_deploy.simulate.interpreter import targets
from ga_deploy.simulate.interpreter.beside import Beside
from ga_deploy.simulate.interpreter.plan import Reaction, Target, list_parameters
from ga_deploy.simulate.interpreter.record import CallRecord, Ending, Event, Json, Route, StreamLeg
from ga_deploy.simulate.interpreter.transports import StreamOrder, WebError, WebReply
from ga_deploy.simulate.interpreter.twiml import (
    Answer,
    Element,
    Remark,
    count_loops,
    read_answer,
    read_whole_number,
    resolve,
    walk,
)
from ga_deploy.simulate.interpreter.webhook import Exchange, WebhookClient
from ga_deploy.simulate.interpreter.whisper import whisper
from ga_deploy.twilio_rules.check import find_breaks, find_value_fault
from ga_deploy.twilio_rules.speech import estimate_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ga_deploy.simulate.interpreter.clock import Clock
    from ga_deploy.simulate.interpreter.plan import CallPlan, Page, Phase
    from ga_deploy.simulate.interpreter.transports import World

# Estimates for what a call spends on things that are not played here; they only place events on the time
# axis.
_APPLICATION_ERROR = "We are sorry, an application error has occurred. Goodbye."
_RECORD_SECONDS = 5.0
_TIME_LIMIT = 14400  # Twilio docs, Dial: four hours unless `timeLimit` says otherwise
# The verbs that are carried out; a method each. Twilio knows others too: meeting one is said, and skipped.
_SIMULATED = frozenset(
    {"Say", "Play", "Pause", "Gather", "Connect", "Dial", "Enqueue", "Redirect", "Refer", "Record", "Hangup", "Reject"}
    | {"Start", "Stop", "Sms"}
)
# Their rules are looked at by `targets`, which knows what is done with the rest of a document in part refused.
_HANDING_OVER = frozenset({"Dial", "Enqueue", "Refer"})
# What a document behind `waitUrl` may have (Twilio docs, Enqueue).
_IN_A_QUEUE = frozenset({"Say", "Play", "Pause", "Gather", "Hangup", "Redirect", "Leave"})
_ENQUEUED_RESULTS = {
    "answered": "bridged",
    "busy": "queue-full",
    "no-answer": "leave",
    "failed": "system-error",
    "canceled": "leave",
}


async def place_call(plan: CallPlan, world: World, clock: Clock) -> CallRecord:
    """Place the call and return what happened. Never raises for what the deployment or ASAPP does."""
    return await _Call(plan, world, clock).place()


@dataclass(frozen=True)
class _Document:
    url: str
    answer: Answer


@dataclass(frozen=True)
class _Goto:
    """Carry on with the document at `url`."""

    url: str
    method: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class _CallerGoneError(Exception):
    """The caller has hung up; whatever was under way is off."""


class _OverError(Exception):
    """The call is over."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending: Ending = ending


class _Call:
    def __init__(self, plan: CallPlan, world: World, clock: Clock) -> None:
        self._plan = plan
        self._world = world
        self._clock = clock
        self._web = WebhookClient(world, clock)
        self._began = clock.now()
        self._events: list[Event] = []
        self._routes: list[Route] = []
        self._streams: list[tuple[float, StreamLeg]] = []
        self._callbacks: list[asyncio.Task[None]] = []
        self._answered_at: float | None = None
        self._leaves_at: float | None = None
        self._requests = 0
        self._menus = 0
        self._beside = Beside()
        self._follows = False
        self._own_hosts = plan.own_hosts | {urlsplit(plan.voice_url).hostname or ""}

    # -- the course of the call

    async def place(self) -> CallRecord:
        """Run the call to its end."""
        ending: Ending
        try:
            ending = await self._run()
        except _CallerGoneError:
            ending = "caller-hung-up"
            self._note("hangup", "the caller hangs up")
        except _OverError as over:
            ending = over.ending
        seconds = self._now()
        await asyncio.gather(*self._callbacks)
        plan = self._plan
        self._events.sort(key=lambda event: event.at)
        return CallRecord(
            plan.name,
            plan.call_sid,
            plan.from_number,
            plan.to_number,
            ending,
            seconds,
            self._answered_at,
            tuple(self._events),
            tuple(self._routes),
            tuple(self._streams),
            self._requests,
        )

    async def _run(self) -> Ending:
        self._enter("ringing")
        if self._plan.placed:
            self._answer()
        goto: _Goto | None = _Goto(self._plan.voice_url, self._plan.voice_method)
        while goto is not None:
            document = await self._ask(goto)
            goto = await self._carry_out(document)
        self._note("hangup", "Twilio hangs up: the TwiML is at its end")
        return "hung-up"

    async def _carry_out(self, document: _Document) -> _Goto | None:
        answer = document.answer
        if not answer.verbs:
            self._answer()
        if answer.kind == "speech":
            await self._speak(answer.speech, 1, plain=True)
            return None
        if answer.kind == "audio":
            await self._happen("play", "the answer itself is a sound", self._plan.play_seconds, heard=True)
            return None
        for number, verb in enumerate(answer.verbs, 1):
            if not _rings_on(verb):
                self._answer()
            self._follows = any(later.name != "Hangup" for later in answer.verbs[number:])
            goto = await self._do(verb, document.url)
            if goto is not None:
                return goto
        return None

    def _answer(self) -> None:
        if self._answered_at is None:
            self._answered_at = self._now()
            self._note("answered", "Twilio answers the call")
            self._enter("greeting")

    async def _do(self, verb: Element, base: str) -> _Goto | None:
        if verb.name not in _SIMULATED:
            self._note("warning", f"`{verb.name}` is not simulated and skipped", {"line": verb.line})
            return None
        broken = () if verb.name in _HANDING_OVER else tuple(find_breaks((verb,)))
        for one in broken:
            if one.row.refused and one.element is not verb:
                continue  # whoever carries out the element tells
            self._note("error" if one.row.breaks else "warning", str(one), {"line": one.element.line})
        if any(one.element is verb and one.row.refused for one in broken):
            return None
        handler = getattr(self, f"_{verb.name.lower()}")
        goto: _Goto | None = await handler(verb, base)
        return goto

    async def _redirect(self, verb: Element, base: str) -> _Goto:
        return _Goto(resolve(base, verb.text), verb.get("method", "POST").upper())

    async def _hangup(self, _: Element, __: str) -> None:
        self._note("hangup", "the TwiML hangs up")
        raise _OverError("hung-up")

    async def _reject(self, verb: Element, _: str) -> None:
        self._note("reject", f"the TwiML rejects the call ({verb.get('reason', 'rejected')})")
        raise _OverError("rejected")

    # -- speaking, playing, listening

    async def _say(self, verb: Element, _: str) -> None:
        await self._speak(verb.text, count_loops(verb), voice=verb.get("voice"))

    async def _pause(self, verb: Element, _: str) -> None:
        await self._happen("pause", "pause", float(read_whole_number(verb.get("length"), 1)))

    async def _speak(self, text: str, loops: int, voice: str = "", *, plain: bool = False) -> None:
        seconds = estimate_seconds(text)
        detail: dict[str, Json] = {"text": text, **({"voice": voice} if voice else {})}
        if plain:
            detail["plain_text"] = True
        if loops > 1:
            detail["loops"] = loops
        if not text:
            self._note("error", "13520: Say: no text")
        await self._happen("say", text, seconds * loops, heard=bool(text), detail=detail)

    async def _play(self, verb: Element, base: str) -> None:
        if verb.get("digits"):
            await self._happen("play", f"tones {verb.get('digits')}", 0.5 * len(verb.get("digits")), heard=True)
            return
        if not verb.text:
            self._note("error", "13420: Play: no URL", {"line": verb.line})
            return
        url = resolve(base, verb.text)
        label = f"sound {redact(url)}"
        seconds = self._plan.play_seconds * count_loops(verb)
        if url in self._plan.pages and not 200 <= self._plan.pages[url].status < 300:
            self._note("error", f"11200: {label} could not be fetched")
            return
        await self._happen("play", label, seconds, heard=True, detail={"url": redact(url)})

    async def _gather(self, verb: Element, base: str) -> _Goto | None:
        action = _Goto(resolve(base, verb.get("action")), verb.get("method", "POST").upper())
        for prompt in verb.children:
            await self._do(prompt, base)
        keys = self._plan.menu_keys
        self._menus += 1
        digits = _take_keys(verb, "".join(keys[self._menus - 1 : self._menus]) if keys else self._plan.digits)
        if digits:
            await self._happen("gather", f"the caller presses {digits}", 0.5 * len(digits), heard=True)
            return _Goto(action.url, action.method, {"Digits": digits})
        waited = float(read_whole_number(verb.get("timeout"), 5))
        await self._happen("gather", "the caller enters nothing", waited)
        if verb.get("actionOnEmptyResult").lower() == "true":
            return _Goto(action.url, action.method, {"Digits": ""})
        return None

    async def _record(self, verb: Element, base: str) -> _Goto | None:
        """Record a message. A hang-up ends it as a rule: its action is asked all the same, to a call that is over."""
        self._enter("transfer")
        at, ends = self._now(), self._plan.record_ends
        if ends == "nothing":
            silence = float(read_whole_number(verb.get("timeout"), 5))
            await self._happen("record", "the caller leaves no message", silence)
            return None
        seconds = min(_RECORD_SECONDS, float(read_whole_number(verb.get("maxLength"), 3600)))
        url, method = resolve(base, verb.get("action")), verb.get("method", "POST").upper()
        try:
            await self._happen("record", "the caller's voice is recorded", seconds, heard=True)
            gone = ends == "hang-up"
        except _CallerGoneError:
            gone = True
        self._routes.append(Route("voicemail", urlsplit(url).query, "answered", at))
        parameters = _recorded(self._plan.account_sid, self._now() - at) | {"Digits": "hangup" if gone else "#"}
        if gone:
            await self._ask_in_vain(url, method, parameters)
            raise _CallerGoneError
        return _Goto(url, method, parameters)

    async def _sms(self, verb: Element, base: str) -> _Goto | None:
        """Send a text beside the call: nothing is sent here, and the next verb follows unless there is an action."""
        to, sender = verb.get("to", self._plan.customer), verb.get("from", self._plan.ours)
        self._note("sms", f"a text to {to} is not sent here", {"text": verb.text, "to": to, "from": sender})
        if "action" not in verb.attributes:
            return None
        sent = {"SmsSid": _sid("SM"), "SmsStatus": "sent"}
        return _Goto(resolve(base, verb.get("action")), verb.get("method", "POST").upper(), sent)

    # -- what goes on beside the call, and what is not played

    async def _start(self, verb: Element, _: str) -> None:
        for kind, label in self._beside.start(verb):
            self._note(kind, label)

    async def _stop(self, verb: Element, _: str) -> None:
        for kind, label in self._beside.stop(verb):
            self._note(kind, label)

    # -- media streams

    async def _connect(self, verb: Element, base: str) -> _Goto | None:
        stream = verb.child("Stream")
        if stream is None:
            self._note("warning", "`Connect` without a `Stream` is not simulated and skipped")
            return None
        self._enter("stream")
        began = self._now()
        number = len(self._streams) + 1
        leg = await self._open_stream(stream, number)
        label = f"media stream {number}: " + (leg.reason or f"ended by the {leg.ended_by}")
        # A stream may run faster than the clock on the wall: what it took counts, not what it cost.
        await self._clock.spend(leg.seconds - (self._now() - began))
        self._streams.append((began, leg))
        detail = {**leg.as_json(), "told": _read_parameters(stream)}
        self._events.append(Event(began, "stream", label, self._now() - began, heard=bool(leg.agent), detail=detail))
        if leg.error is not None:
            self._note("error", f"{leg.error}: {leg.reason}")
        action = "action" in verb.attributes
        url, method = resolve(base, verb.get("action")), verb.get("method", "POST").upper()
        if leg.ended_by == "caller":
            if self._leaves_at is None:
                self._note(
                    "gave-up", f"the agent did not end the conversation, and the caller left after {leg.seconds:.0f} s"
                )
            if action:
                await self._ask_in_vain(url, method)
            raise _CallerGoneError
        self._enter("result")
        if not leg.opened and not self._plan.asks_after_refusal:
            return None
        return _Goto(url, method) if action else None

    async def _open_stream(self, stream: Element, number: int) -> StreamLeg:
        stream_sid = _sid("MZ")
        url = stream.get("url")
        parameters = {noun.get("name"): noun.get("value") for noun in stream.children if noun.name == "Parameter"}
        callback = _StreamCallback(self.call_back, self._plan, stream, stream_sid)
        refusal = next((one.text for one in find_breaks((stream,), ("Connect",)) if one.row.refused), "")
        if refusal:
            leg = StreamLeg(opened=False, seconds=0.0, ended_by="error", error=31920, reason=refusal)
        else:
            left = None if self._leaves_at is None else max(0.0, self._leaves_at - self._clock.now())
            leg = await self._world.open_stream(
                StreamOrder(
                    url=url,
                    name=stream.get("name"),
                    parameters=parameters,
                    account_sid=self._plan.account_sid,
                    call_sid=self._plan.call_sid,
                    stream_sid=stream_sid,
                    number=number,
                    hang_up_after=left,
                    on_start=lambda: callback.send("stream-started"),
                )
            )
        if leg.error is not None:
            callback.send("stream-error", f"{leg.error}: {leg.reason}")
        if leg.opened:
            callback.send("stream-stopped")
        return leg

    def call_back(self, url: str, method: str, parameters: Mapping[str, str]) -> None:
        """Send a status callback beside the call: its answer changes nothing but a failure is reported."""
        self._callbacks.append(asyncio.create_task(self._call_back(url, method, parameters)))

    async def _call_back(self, url: str, method: str, parameters: Mapping[str, str]) -> None:
        at = self._now()
        exchange = await self._web.request(url, method, parameters)
        self._requests += 1
        status = exchange.reply.status if exchange.reply else None
        label = f"{parameters['StreamEvent']} → {_path(url)}: {status or exchange.error}"
        detail: dict[str, Json] = {"status": status, "event": parameters["StreamEvent"]}
        self._events.append(Event(at, "callback", label, exchange.seconds, detail=detail | _logs(exchange.reply)))
        if status is None or status >= 400:
            self._note("warning", f"11200: the status callback failed ({status or exchange.error})")

    # -- handing the caller over

    async def _dial(self, verb: Element, base: str) -> _Goto | None:
        self._enter("transfer")
        found, problems = targets.read_dial(verb, self._plan.from_number)
        for problem in problems:
            self._note("error", str(problem))
        reaction, target = self._first_to_answer(found)
        timeout = float(read_whole_number(verb.get("timeout"), 30))
        ringing_on = verb.get("answerOnBridge").lower() == "true"
        result = reaction.result if target else "failed"
        ringing = timeout if result == "no-answer" else min(reaction.ringing, timeout)
        ringing = ringing if target else 0.0
        parameters: dict[str, str] = {"DialCallStatus": "completed" if result == "answered" else result}
        label = f"rings {', '.join(one.address for one in found) or 'nobody'}"
        at = self._now()
        try:
            await self._happen("dial", f"{label}: {result}", ringing, heard=True, detail=_describe(found))
            if result == "answered" and target and target.whisper_url:
                line = _CalledLine(self, target, heard=ringing_on)
                url = resolve(base, target.whisper_url)
                if not await whisper(line, url, target.whisper_method, reaction.keys):
                    result = "declined"
                    parameters |= {"DialCallStatus": "no-answer", "DialBridged": "false"}
            for one in found:
                self._routes.append(Route(one.kind, one.address, result if one == target else "canceled", at))
            if result == "answered":
                self._answer()
                self._note("answered", f"connected to {target.kind} {target.address}" if target else "")
                limit = float(read_whole_number(verb.get("timeLimit"), _TIME_LIMIT))
                cut = "" if reaction.talk <= limit else f", and are cut off after {limit:.0f} s"
                talk = min(reaction.talk, limit)
                await self._happen("dial", f"they talk{cut}", talk, heard=True)
                parameters |= {"DialCallDuration": str(round(talk)), "DialBridged": "true"}
                if verb.get("record", "do-not-record") not in {"do-not-record", "false"}:
                    parameters |= _recorded(self._plan.account_sid, talk)
            if found:
                parameters["DialCallSid"] = _sid("CA")
        except _CallerGoneError:
            if not self._routes or self._routes[-1].at != at:
                self._routes += [Route(one.kind, one.address, "canceled", at) for one in found]
            if "action" in verb.attributes:
                url, method = resolve(base, verb.get("action")), verb.get("method", "POST").upper()
                await self._ask_in_vain(url, method, parameters | {"DialCallStatus": "canceled"})
            raise
        return self._after_handing_over(verb, base, parameters, taken=result == "answered")

    async def ask_for(self, target: Target, url: str, method: str, extra: Mapping[str, str], *, heard: bool) -> Answer:
        """Fetch a document for the leg of somebody who was called. An address elsewhere is not contacted."""
        host = urlsplit(url).hostname or ""
        if host not in self._own_hosts and url not in self._plan.pages:
            self._note("whisper", f"what {redact(url)} says is not asked for: taken as heard")
            return Answer("twiml")
        caller = target.caller_id or self._plan.from_number
        own = {
            "CallSid": _sid("CA"),
            "ParentCallSid": self._plan.call_sid,
            "Direction": "outbound-dial",
            "CallStatus": "in-progress",
            **dict.fromkeys(("From", "Caller"), caller),
            **dict.fromkeys(("To", "Called"), target.address),
        }
        page = self._plan.pages.get(url)
        goto = _Goto(url, method, {**own, **extra})
        reply = _page_reply(page) if page else None
        answer, _ = await self._exchange(goto, "whisper", page_reply=reply, heard=heard)
        self._requests += 1
        self._stay_on_the_line()
        return answer

    async def happen(self, kind: str, label: str, seconds: float, *, heard: bool, detail: Mapping[str, Json]) -> None:
        """Let time pass on the line, with something that is heard or not."""
        await self._happen(kind, label, seconds, heard=heard, detail=detail)

    def note(self, kind: str, label: str) -> None:
        """Put something on record that takes no time."""
        self._note(kind, label)

    def _first_to_answer(self, found: tuple[Target, ...]) -> tuple[Reaction, Target | None]:
        """Return who decides the outcome: all ring at once, and the first to answer gets the call."""
        attempt = len(self._routes)
        reactions = [(self._plan.react(one, attempt), one) for one in found]
        if not reactions:
            return Reaction("failed"), None
        answered = [pair for pair in reactions if pair[0].result == "answered"]
        return min(answered or reactions, key=lambda pair: pair[0].ringing)

    async def _enqueue(self, verb: Element, base: str) -> _Goto | None:
        self._enter("transfer")
        target, problems = targets.read_enqueue(verb)
        at = self._now()
        for problem in problems:
            self._note("error", str(problem))
        if target is None:
            return self._after_handing_over(verb, base, {"QueueResult": "error"}, taken=False)
        reaction = self._plan.react(target, len(self._routes))
        waiting = reaction.ringing if reaction.result != "failed" else 0.0
        label = f"queues for {target.address}: {reaction.result}"
        parameters = {"QueueResult": _ENQUEUED_RESULTS[reaction.result], "QueueTime": str(round(waiting))}
        try:
            if verb.get("waitUrl"):
                await self._ask_for_music(verb, base)
            await self._happen("enqueue", label, waiting, heard=True, detail=_describe((target,)))
            self._routes.append(Route(target.kind, target.address, reaction.result, at))
            if reaction.result == "answered":
                self._note("answered", f"connected to {target.address}")
                await self._happen("enqueue", "they talk", reaction.talk, heard=True)
        except _CallerGoneError:
            if not self._routes or self._routes[-1].at != at:
                self._routes.append(Route(target.kind, target.address, "canceled", at))
            if "action" in verb.attributes:
                url, method = resolve(base, verb.get("action")), verb.get("method", "POST").upper()
                await self._ask_in_vain(url, method, parameters | {"QueueResult": "hangup"})
            raise
        return self._after_handing_over(verb, base, parameters, taken=reaction.result == "answered")

    async def _ask_for_music(self, verb: Element, base: str) -> None:
        """Ask what the caller is to hear in the queue; an address elsewhere is not contacted."""
        url, method = resolve(base, verb.get("waitUrl")), verb.get("waitUrlMethod", "POST").upper()
        if (urlsplit(url).hostname or "") not in self._own_hosts and url not in self._plan.pages:
            self._note("wait", f"what {redact(url)} plays in the queue is not asked for")
            return
        self._requests += 1
        page = self._plan.pages.get(url)
        goto = _Goto(url, method, {"QueuePosition": "1", "QueueTime": "0", "CurrentQueueSize": "1"})
        answer, _ = await self._exchange(goto, "wait", page_reply=_page_reply(page) if page else None, heard=True)
        for wrong in (one.name for one in answer.verbs if one.name not in _IN_A_QUEUE):
            self._note("error", f"Enqueue: `{wrong}` cannot be in what is heard in a queue")

    async def _refer(self, verb: Element, base: str) -> _Goto | None:
        self._enter("transfer")
        target, problems = targets.read_refer(verb)
        if target and not self._plan.is_sip:
            problems = (
                *problems,
                Remark(13801, "Refer: only a caller who came in over SIP can be referred", verb.line),
            )
        at = self._now()
        for problem in problems:
            self._note("error", str(problem))
        if target is None or not self._plan.is_sip:
            if target:
                self._routes.append(Route(target.kind, target.address, "failed", at))
            return self._after_handing_over(verb, base, {"ReferCallStatus": "failed"}, taken=False)
        reaction = self._plan.react(target, len(self._routes))
        accepted = reaction.result == "answered"
        detail = _describe((target,))
        await self._happen("refer", f"refers to {target.address}: {reaction.result}", 1.0, detail=detail)
        self._routes.append(Route(target.kind, target.address, reaction.result, at))
        parameters = {
            "ReferCallStatus": "completed" if accepted else "failed",
            "ReferSipResponseCode": "202" if accepted else "503",
        }
        if accepted:
            if "action" in verb.attributes:
                url, method = resolve(base, verb.get("action")), verb.get("method", "POST").upper()
                await self._ask_in_vain(url, method, parameters)
            raise _OverError("transferred")
        return self._after_handing_over(verb, base, parameters, taken=False)

    def _after_handing_over(
        self, verb: Element, base: str, parameters: Mapping[str, str], *, taken: bool
    ) -> _Goto | None:
        """Continue after a Dial, Enqueue or Refer: its action is asked, or the next verb runs."""
        if "action" in verb.attributes:
            return _Goto(resolve(base, verb.get("action")), verb.get("method", "POST").upper(), parameters)
        if taken and self._follows:
            self._note("warning", f"`{verb.name}` without action: what follows it runs after the conversation")
        return None

    # -- webhooks

    async def _ask(self, goto: _Goto) -> _Document:
        """Fetch a document; an error goes to the fallback URL, and without one to Twilio's own apology."""
        document, error, url = await self._fetch(goto, what="webhook")
        if document:
            return document
        if self._plan.fallback_url:
            failure = {"ErrorCode": str(error.code), "ErrorUrl": url}
            fallback = _Goto(self._plan.fallback_url, self._plan.fallback_method, failure)
            document, error, url = await self._fetch(fallback, what="fallback")
            if document:
                return document
        if self._answered_at is None:
            self._answered_at = self._now()
        await self._happen(
            "error",
            f"Twilio says: {_APPLICATION_ERROR}",
            4.0,
            heard=True,
            detail={"spoken": _APPLICATION_ERROR},
        )
        raise _OverError("application-error")

    async def _fetch(self, goto: _Goto, *, what: str) -> tuple[_Document | None, Remark, str]:
        self._leave_if_external(goto)
        self._requests += 1
        if self._requests > self._plan.max_requests or self._now() > self._plan.max_seconds:
            self._note("error", f"endless: {self._requests} requests in {self._now():.0f} s of call")
            raise _OverError("endless")
        page = self._plan.pages.get(goto.url)
        answer, exchange = await self._exchange(goto, what, page_reply=_page_reply(page) if page else None)
        if self._plan.repeat_webhooks and page is None:
            first = answer
            answer, exchange = await self._exchange(goto, f"{what} again", first=first)
        if answer.error:
            return None, answer.error, exchange.url
        self._stay_on_the_line()
        return _Document(exchange.url, answer), Remark(0, ""), exchange.url

    def _leave_if_external(self, goto: _Goto) -> None:
        """Hand the call over to an address that is not ours, without contacting it."""
        host = urlsplit(goto.url).hostname or ""
        if host in self._own_hosts or goto.url in self._plan.pages:
            return
        target = Target("redirect", goto.url)
        reaction = self._plan.react(target, len(self._routes))
        at = self._now()
        self._routes.append(Route("redirect", redact(goto.url), reaction.result, at))
        self._note("redirect", f"{redact(goto.url)}: {reaction.result}")
        if reaction.result == "answered":
            raise _OverError("transferred")

    async def _exchange(
        self,
        goto: _Goto,
        what: str,
        *,
        page_reply: WebReply | None = None,
        first: Answer | None = None,
        heard: bool = False,
    ) -> tuple[Answer, Exchange]:
        at = self._now()
        host = urlsplit(goto.url).hostname or ""
        if page_reply:
            exchange = Exchange(goto.url, goto.method, page_reply, None, 0.0, 1)
        elif host not in self._own_hosts:
            exchange = Exchange(goto.url, goto.method, WebReply(503, {}, b""), None, 0.0, 1)
        else:
            exchange = await self._web.request(goto.url, goto.method, self._form(goto.parameters))
        answer = _interpret(exchange)
        outcome = f"{answer.error}" if answer.error else " ".join(verb.name for verb in answer.verbs) or answer.kind
        detail: dict[str, Json] = {
            "url": redact(exchange.url),
            "method": exchange.method,
            "tries": exchange.tries,
            "status": exchange.reply.status if exchange.reply else None,
            "sent": dict(goto.parameters),
            "body": redact(exchange.reply.body.decode("utf-8", "replace")) if exchange.reply else "",
            "unreachable": [verb.name for verb in answer.unreachable],
            **_logs(exchange.reply),
        }
        if first is not None:
            detail["same_as_first"] = _outline(first) == _outline(answer)
        label = f"{what} {_path(exchange.url)} → {outcome}"
        kind = "webhook"
        heard = heard or self._answered_at is None
        self._events.append(Event(at, kind, label, self._now() - at, heard=heard, detail=detail))
        for warning in answer.warnings:
            self._note("warning", str(warning))
        if answer.error:
            self._note("error", str(answer.error))
        return answer, exchange

    async def _ask_in_vain(self, url: str, method: str, parameters: Mapping[str, str] | None = None) -> None:
        """Ask an action after the caller has gone: Twilio ignores the answer, the function must survive."""
        sent = {**(parameters or {}), "CallStatus": "completed"}
        self._requests += 1
        await self._exchange(_Goto(url, method, sent), "webhook after hang-up")

    def _form(self, extra: Mapping[str, str]) -> dict[str, str]:
        status = "ringing" if self._answered_at is None else "in-progress"
        return {**list_parameters(self._plan), "CallStatus": status, **extra}

    # -- time and the record

    def _now(self) -> float:
        return self._clock.now() - self._began

    def _enter(self, phase: Phase) -> None:
        hang_up = self._plan.hang_up
        if hang_up and self._leaves_at is None and hang_up.during == phase:
            self._leaves_at = self._clock.now() + hang_up.after

    def _stay_on_the_line(self) -> None:
        if self._leaves_at is not None and self._clock.now() >= self._leaves_at:
            raise _CallerGoneError

    async def _happen(
        self,
        kind: str,
        label: str,
        seconds: float,
        *,
        heard: bool = False,
        detail: Mapping[str, Json] | None = None,
    ) -> None:
        """Let `seconds` pass on the line and record them, cut short when the caller hangs up meanwhile."""
        at = self._now()
        left = None if self._leaves_at is None else self._leaves_at - self._clock.now()
        gone = left is not None and left <= seconds
        await self._clock.spend(max(0.0, left) if left is not None and gone else seconds)
        self._events.append(Event(at, kind, label, self._now() - at, heard=heard, detail=detail or {}))
        if gone:
            raise _CallerGoneError

    def _note(self, kind: str, label: str, detail: Mapping[str, Json] | None = None) -> None:
        self._events.append(Event(self._now(), kind, redact(label), detail=detail or {}))


@dataclass(frozen=True)
class _CalledLine:
    """The end of the line of somebody who has picked up. `heard`: the caller goes on hearing it ring."""

    call: _Call
    target: Target
    heard: bool

    async def ask(self, url: str, method: str, parameters: Mapping[str, str]) -> Answer:
        """Fetch a document of the whisper."""
        return await self.call.ask_for(self.target, url, method, parameters, heard=self.heard)

    async def hear(self, label: str, seconds: float, text: str = "") -> None:
        """Let the called party hear something."""
        detail: dict[str, Json] = {"text": text} if text else {}
        await self.call.happen("whisper", f"whispers: {label}", seconds, heard=self.heard, detail=detail)

    def note(self, kind: str, label: str) -> None:
        """Put an error or a warning on record."""
        self.call.note(kind, label)


@dataclass(frozen=True)
class _StreamCallback:
    """The status callbacks of one stream; nothing is sent when the TwiML asks for none."""

    call_back: Callable[[str, str, Mapping[str, str]], None]
    plan: CallPlan
    stream: Element
    stream_sid: str

    def send(self, event: str, error: str = "") -> None:
        """Report `stream-started`, `stream-stopped` or `stream-error`, to an absolute URL; no other is ever asked."""
        url = self.stream.get("statusCallback")
        if not url or find_value_fault("Stream", "statusCallback", url):
            return
        parameters = {
            "AccountSid": self.plan.account_sid,
            "CallSid": self.plan.call_sid,
            "StreamSid": self.stream_sid,
            "StreamName": self.stream.get("name", self.stream_sid),
            "StreamEvent": event,
            "Timestamp": dt.datetime.now(dt.UTC).isoformat(),
            **({"StreamError": error} if error else {}),
        }
        method = self.stream.get("statusCallbackMethod", "POST").upper()
        self.call_back(url, method, parameters)


def _rings_on(verb: Element) -> bool:
    """Tell whether a call that nobody answered yet goes on ringing with this verb: none of these needs the line."""
    return verb.name in {"Reject", "Redirect"} or (verb.name == "Dial" and verb.get("answerOnBridge").lower() == "true")


def _recorded(account_sid: str, seconds: float) -> dict[str, str]:
    """Return what an action is told of a recording; to fetch it takes the account's credentials."""
    sid = _sid("RE")
    url = f"https://api.twilio.com/2010-04-01/Accounts/{account_sid}/Recordings/{sid}"
    return {"RecordingUrl": url, "RecordingSid": sid, "RecordingDuration": str(round(seconds))}


def _read_parameters(stream: Element) -> dict[str, str]:
    return {noun.get("name"): noun.get("value") for noun in stream.children if noun.name == "Parameter"}


def _take_keys(gather: Element, pressed: str) -> str:
    """Return which of the keys that a caller presses a Gather hands on."""
    if "dtmf" not in gather.get("input", "dtmf").split():
        return ""
    keys = pressed.replace("w", "")
    end = gather.attributes.get("finishOnKey", "#")
    taken = keys.partition(end)[0] if end else keys
    return taken[: read_whole_number(gather.get("numDigits"), len(taken)) or len(taken)]


def _sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return redact(parts.path + (f"?{parts.query}" if parts.query else ""))


def _logs(reply: WebReply | None) -> dict[str, Json]:
    return {"logs": [redact(line) for line in reply.logs]} if reply and reply.logs else {}


def _describe(found: tuple[Target, ...]) -> dict[str, Json]:
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


def _interpret(exchange: Exchange) -> Answer:
    reply = exchange.reply
    if reply is None:
        error = exchange.error or WebError(11200, "no answer")
        return Answer("error", error=Remark(error.code, error.reason))
    return read_answer(reply.status, reply.headers.get("content-type", ""), reply.body)


def _outline(answer: Answer) -> tuple[tuple[str, str], ...]:
    """Return what a document does, without what may differ between two answers that mean the same."""
    said = (
        (one.name, one.text.partition("?")[0] if one.name == "Redirect" else one.text) for one in walk(answer.verbs)
    )
    return tuple(said) or ((answer.kind, answer.speech),)


def _page_reply(page: Page) -> WebReply:
    return WebReply(page.status, {"content-type": page.content_type}, page.body.encode())
