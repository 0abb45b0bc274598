"""What the caller hears and enters: Say, Play, Pause, Gather and Record.

Speech and sounds are timed, not played. Sources: Twilio docs, one page per verb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.redact import redact
from ga_deploy.simulate.interpreter.call import describe_recording, note_breaks
from ga_deploy.simulate.interpreter.documents import request_action
from ga_deploy.simulate.interpreter.plan import CallTarget
from ga_deploy.simulate.interpreter.progress import CallerGoneError
from ga_deploy.simulate.interpreter.twiml import count_loops, read_whole_number, resolve
from ga_deploy.twilio_rules.speech import estimate_seconds

if TYPE_CHECKING:
    from ga_deploy.simulate.interpreter.call import CallInProgress
    from ga_deploy.simulate.interpreter.documents import DocumentRequest
    from ga_deploy.simulate.interpreter.record import Json
    from ga_deploy.simulate.interpreter.twiml import Element

# Estimates of what takes time on the line and is not played: they only place events on the time axis.
_KEY_SECONDS = 0.5
_RECORD_SECONDS = 5.0


async def say(call: CallInProgress, verb: Element, _: str) -> None:
    """Read the text aloud."""
    await speak(call, verb.text, count_loops(verb), voice=verb.get("voice"))


async def speak(call: CallInProgress, text: str, loops: int = 1, voice: str = "", *, plain: bool = False) -> None:
    """Let the caller hear `text`, `loops` times. `plain`: the text is a document by itself, not a Say."""
    detail: dict[str, Json] = {"text": text, **({"voice": voice} if voice else {})}
    if plain:
        detail["plain_text"] = True
    if loops > 1:
        detail["loops"] = loops
    if not text:
        call.progress.note("error", "13520: Say: no text")
    await call.progress.pass_time("say", text, estimate_seconds(text) * loops, heard=bool(text), detail=detail)


async def pause(call: CallInProgress, verb: Element, _: str) -> None:
    """Let time pass in silence."""
    await call.progress.pass_time("pause", "pause", float(read_whole_number(verb.get("length"), 1)))


async def play(call: CallInProgress, verb: Element, base: str) -> None:
    """Play tones or a sound. The sound is not fetched: the plan says how long it is taken to last."""
    progress = call.progress
    if verb.get("digits"):
        keys = verb.get("digits")
        await progress.pass_time("play", f"tones {keys}", _KEY_SECONDS * len(keys), heard=True)
        return
    if not verb.text:
        progress.note("error", "13420: Play: no URL", {"line": verb.line})
        return
    url = resolve(base, verb.text)
    label = f"sound {redact(url)}"
    page = call.plan.pages.get(url)
    if page and not 200 <= page.status < 300:
        progress.note("error", f"11200: {label} could not be fetched")
        return
    seconds = call.plan.play_seconds * count_loops(verb)
    await progress.pass_time("play", label, seconds, heard=True, detail={"url": redact(url)})


# Twilio docs, Gather: what may stand inside it.
_PROMPTS = {"Say": say, "Play": play, "Pause": pause}


async def gather(call: CallInProgress, verb: Element, base: str) -> DocumentRequest | None:
    """Read the prompts, then let the caller press keys, or nothing until the time is up."""
    for prompt in verb.children:
        if not note_breaks(call, prompt):
            await _PROMPTS[prompt.name](call, prompt, base)
    keys = call.plan.menu_keys
    call.menus += 1
    digits = _take_keys(verb, "".join(keys[call.menus - 1 : call.menus]) if keys else call.plan.digits)
    if digits:
        seconds = _KEY_SECONDS * len(digits)
        await call.progress.pass_time("gather", f"the caller presses {digits}", seconds, heard=True)
        return request_action(verb, base, {"Digits": digits})
    waited = float(read_whole_number(verb.get("timeout"), 5))
    await call.progress.pass_time("gather", "the caller enters nothing", waited)
    if verb.get("actionOnEmptyResult").lower() == "true":
        return request_action(verb, base, {"Digits": ""})
    return None


def _take_keys(gather_verb: Element, pressed: str) -> str:
    """Return which of the keys that a caller presses a Gather hands on."""
    if "dtmf" not in gather_verb.get("input", "dtmf").split():
        return ""
    keys = pressed.replace("w", "")
    end = gather_verb.attributes.get("finishOnKey", "#")
    taken = keys.partition(end)[0] if end else keys
    return taken[: read_whole_number(gather_verb.get("numDigits"), len(taken)) or len(taken)]


async def record(call: CallInProgress, verb: Element, base: str) -> DocumentRequest | None:
    """Record a message. If a hang-up ends it, its action is requested all the same, for a call that is over."""
    progress = call.progress
    progress.enter("transfer")
    at, ends = progress.now(), call.plan.record_ends
    if ends == "nothing":
        silence = float(read_whole_number(verb.get("timeout"), 5))
        await progress.pass_time("record", "the caller leaves no message", silence)
        return None
    seconds = min(_RECORD_SECONDS, float(read_whole_number(verb.get("maxLength"), 3600)))
    try:
        await progress.pass_time("record", "the caller's voice is recorded", seconds, heard=True)
        gone = ends == "hang-up"
    except CallerGoneError:
        gone = True
    query = urlsplit(resolve(base, verb.get("action"))).query
    terms = {"maxLength": verb.get("maxLength", "3600")}
    progress.add_routes((CallTarget("voicemail", query, terms=terms),), "answered", at)
    recording = describe_recording(call.plan.account_sid, progress.now() - at)
    action = request_action(verb, base, recording | {"Digits": "hangup" if gone else "#"})
    if gone:
        await call.documents.request_after_hang_up(action)
        raise CallerGoneError
    return action
