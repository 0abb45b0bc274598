"""Connect: a media stream between the caller and the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.simulate.interpreter.call import make_sid
from ga_deploy.simulate.interpreter.callbacks import StreamCallback
from ga_deploy.simulate.interpreter.documents import request_action
from ga_deploy.simulate.interpreter.progress import CallerGoneError
from ga_deploy.simulate.interpreter.record import Event, StreamLeg
from ga_deploy.simulate.interpreter.transports import StreamOrder
from ga_deploy.twilio_rules.check import find_breaks

if TYPE_CHECKING:
    from ga_deploy.simulate.interpreter.call import CallInProgress
    from ga_deploy.simulate.interpreter.documents import DocumentRequest
    from ga_deploy.simulate.interpreter.twiml import Element


async def connect(call: CallInProgress, verb: Element, base: str) -> DocumentRequest | None:
    """Run the stream to its end; then its action is next."""
    progress = call.progress
    stream = verb.child("Stream")
    if stream is None:
        progress.note("warning", "`Connect` without a `Stream` is not simulated and skipped")
        return None
    progress.enter("stream")
    began = progress.now()
    leg = await _open_stream(call, stream)
    # A stream may run faster than real time: the seconds of the stream count, not those of this machine.
    await progress.clock.spend(leg.seconds - (progress.now() - began))
    _put_on_record(call, stream, leg, began)
    action = request_action(verb, base) if "action" in verb.attributes else None
    if leg.ended_by == "caller":
        if not progress.caller_leaves:
            label = f"the agent did not end the conversation, and the caller left after {leg.seconds:.0f} s"
            progress.note("gave-up", label)
        if action:
            await call.documents.request_after_hang_up(action)
        raise CallerGoneError
    progress.enter("result")
    if not leg.opened and not call.plan.asks_after_refusal:
        return None
    return action


def _put_on_record(call: CallInProgress, stream: Element, leg: StreamLeg, began: float) -> None:
    progress = call.progress
    progress.streams.append((began, leg))
    label = f"media stream {len(progress.streams)}: " + (leg.reason or f"ended by the {leg.ended_by}")
    detail = {**leg.as_json(), "stream_parameters": _read_parameters(stream)}
    progress.add(Event(began, "stream", label, progress.now() - began, heard=bool(leg.agent), detail=detail))
    if leg.error is not None:
        progress.note("error", f"{leg.error}: {leg.reason}")


async def _open_stream(call: CallInProgress, stream: Element) -> StreamLeg:
    stream_sid = make_sid("MZ")
    callback = StreamCallback(call.callbacks, call.plan, stream, stream_sid)
    refusal = next((one.text for one in find_breaks((stream,), ("Connect",)) if one.row.refused), "")
    if refusal:
        leg = StreamLeg(opened=False, seconds=0.0, ended_by="error", error=31920, reason=refusal)
    else:
        leg = await call.open_stream(
            StreamOrder(
                url=stream.get("url"),
                name=stream.get("name"),
                parameters=_read_parameters(stream),
                account_sid=call.plan.account_sid,
                call_sid=call.plan.call_sid,
                stream_sid=stream_sid,
                number=len(call.progress.streams) + 1,
                hang_up_after=call.progress.seconds_left(),
                on_start=lambda: callback.send("stream-started"),
            )
        )
    if leg.error is not None:
        callback.send("stream-error", f"{leg.error}: {leg.reason}")
    if leg.opened:
        callback.send("stream-stopped")
    return leg


def _read_parameters(stream: Element) -> dict[str, str]:
    return {noun.get("name"): noun.get("value") for noun in stream.children if noun.name == "Parameter"}
