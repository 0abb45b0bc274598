"""What Twilio does with a call that no attribute tells, with sources; what nobody documents is marked as assumed.

The assumed ones are in docs/unverified.md (made by scripts/make_rule_pages.py), each with its check. Page titles are
those of Twilio's documentation.
"""

from __future__ import annotations

from ga_deploy.twilio_rules.rows import Behaviour, Sure


def _assumed(what: str, matters: str, check: str) -> Behaviour:
    return Behaviour(what, "", Sure.ASSUMED, matters, check)


BEHAVIOURS: tuple[Behaviour, ...] = (
    # documented
    Behaviour(
        "The actions of `<Connect>`, `<Dial>`, `<Enqueue>`, `<Refer>`, `<Gather>`, `<Record>` and "
        "`<Redirect>` may be relative to the document; what reports beside the call is absolute, but for "
        "recordings",
        "pages of the verbs; Stream; error 21609",
    ),
    Behaviour(
        "A leg that did not come from a number needs a caller ID that the account owns or has verified",
        "error 13214",
    ),
    Behaviour(
        "`QueueResult` is bridged, bridging-in-process, error, hangup, leave, redirected, "
        "redirected-from-bridged, queue-full or system-error; the action is asked once when the bridge "
        "ends",
        "Enqueue",
    ),
    Behaviour(
        "After the server closes the stream Twilio goes on with what stands behind `</Connect>`, where "
        "there is no action",
        "Stream; error 31921",
    ),
    Behaviour(
        "A document that begins with `<Redirect>` does not answer the call yet",
        "SIP and TwiML",
    ),
    Behaviour(
        "`<Refer>` on a call that did not come in over SIP is refused; 200 and 202 are success",
        "Refer; error 13801",
    ),
    Behaviour(
        "A webhook is repeated only after a connection failure unless the URL's fragment says otherwise, "
        "and within 15 seconds in all",
        "Webhooks: connection overrides",
    ),
    Behaviour(
        "Recording with `<Start>` begins at once, and the next verb follows",
        "Recording",
    ),
    Behaviour(
        "`<Sms>` without an action moves on to the next verb; a number that cannot send texts sends none",
        "Sms",
    ),
    Behaviour(
        "One bidirectional stream a call, four hours a call, 100 callers in a queue unless set otherwise",
        "Voice limits",
    ),
    Behaviour(
        "A `<Record>` in which nothing was recorded goes on with the next verb, without its action",
        "Record (the example that says that nothing was received)",
    ),
    # assumed
    _assumed(
        "After a refused handshake, and after the server closed the stream, `<Connect action>` is "
        "requested with `CallStatus=in-progress` while the caller is there; were it not, the "
        "`<Redirect>` behind `</Connect>` leads to the same URL",
        "`/call-complete`",
        "point a stream at a host that refuses, with an action and without",
    ),
    _assumed(
        "A relative `statusCallback` of `<Stream>` is never requested; the stream opens all the same "
        "(the page asks for an absolute URL, what happens otherwise it does not say)",
        "`simulate` fails such a call",
        "put a relative one into a TwiML Bin and look at the debugger",
    ),
    _assumed(
        "`<Sms>` in a voice document still sends, from the called number to the caller, without "
        "credentials and without holding up the call (its page calls it deprecated and names the REST "
        "API; Twilio's packages of 2026 still write it)",
        "steps `sms`",
        "a TwiML Bin with `<Sms>`, rung from a mobile phone, on a number in us1 and on one elsewhere",
    ),
    _assumed(
        "A caller who ends a `<Record>` by hanging up makes its action come with `CallStatus=completed` "
        "and `Digits=hangup`, the `RecordingUrl` among its parameters",
        "`voicemail`: `notify` is sent then",
        "leave a message and hang up, look at the function's log",
    ),
    _assumed(
        "A recording that `<Start><Recording>` began goes on through streams, queues and dialled calls "
        "until the call ends",
        "`recording`; `validate` warns of `record` beside it",
        "ring a test number with both, listen to what was recorded",
    ),
    _assumed(
        "A voice speaks some 15 characters a second",
        "`simulate`: how long a text takes; `validate`: how long a greeting may be",
        "time a text of 300 characters with the voices in use",
    ),
    _assumed(
        "Trial accounts are refused `<Record>` and `<Stream>` (second-hand)",
        "`doctor`",
        "ring a number of a trial account",
    ),
    _assumed(
        "A TaskRouter or queue caller whose `waitUrl` fails waits on, in silence or with Twilio's music",
        "`destinations.*.enqueue.wait_url`",
        "enqueue with a `waitUrl` that answers 404",
    ),
    _assumed(
        "`Direction` of a call that the account placed is `outbound-api` or `outbound-dial`; "
        "`AnsweredBy` comes with the first request where the call was placed with `MachineDetection`",
        "`call.customer`, `outcomes.machine`",
        "place a call by the API to a machine and to a person",
    ),
    _assumed(
        "What is still in Twilio's playout buffer when the server closes the stream is not played any more",
        "media-stream client; an agent that closes before its last mark came back may be cut off",
        "a server that sends five seconds of audio and closes at once",
    ),
    _assumed(
        "After `clear` the marks still in the buffer come back at once, in order",
        "media-stream client",
        "a server that sends audio, a mark and `clear`, and logs what comes back",
    ),
    _assumed(
        "A frame lost between caller and Twilio is a jump in `timestamp`, not in `chunk` or `sequenceNumber`",
        "media-stream client with `packet_loss`",
        "a call over a bad line, the server logging the three numbers",
    ),
    _assumed(
        "The upgrade request's signature covers the `wss://` URL alone",
        "media-stream client",
        "compare the header of a real stream with `simulate.handshake.sign_upgrade`",
    ),
    _assumed(
        "After `<Enqueue>` the results `redirected` and `hangup` mean that somebody else has the call, or nobody",
        "`/call-complete` answers an empty document then",
        "accept a task by a conference instruction",
    ),
    _assumed(
        "`<Refer action>` brings `ReferCallStatus` `in-progress` (or only a 2xx `ReferSipResponseCode`) "
        "for a transfer that was taken",
        "`/call-complete`",
        "refer a SIP call to a busy and to a free target",
    ),
    _assumed(
        "Twilio spells withheld numbers as words on a keypad (+266696687, +7378742833, +2562533, "
        "+8566696, +86282452253)",
        "caller id `caller`",
        "call with the number withheld",
    ),
    _assumed(
        "TwiML of up to 64,000 bytes is taken (64 KB by Twilio's error 11750, from memory)",
        "a larger document is not sent; `outcomes.failed` is",
        "answer one of 64,000 bytes, then one of 66,000",
    ),
    _assumed(
        "`<Enqueue>` and `<Refer>` request their action when they fail, so that the next step can follow",
        "steps after such a `send` are taken for reachable",
        "enqueue to a workflow that does not exist; refer a call that is not SIP",
    ),
    _assumed(
        "The action URL of `<Dial>`, `<Enqueue>` and `<Connect>` is still asked, with "
        "`CallStatus=completed`, after the caller has hung up",
        "`simulate`: hang-up scenarios",
        "ring a number, hang up in each phase, look at the function's log",
    ),
    _assumed(
        "The fallback URL is asked with `ErrorCode` and `ErrorUrl` also when a later document of the "
        "call (an `action`) fails",
        "`simulate`: function-error-after",
        "make `/call-complete` fail on a test number with a fallback",
    ),
    _assumed(
        "`QueueResult` after a TaskRouter conversation is `bridged`; a caller who gives up in the queue is `hangup`",
        "`simulate`: Enqueue",
        "enqueue to a test workflow, look at the action's parameters",
    ),
    _assumed(
        "A stream that is refused reports `stream-error` only; one that breaks reports `stream-error`, "
        "then `stream-stopped`",
        "`simulate`: status callbacks",
        "close the WebSocket abnormally, look at `/stream-status`",
    ),
    _assumed(
        "Twilio answers the call with the first document, so the time `/engage` takes is heard as "
        "ringing, not as silence",
        "`simulate`: dead air, time to first TwiML",
        "delay `/engage` by five seconds and ring",
    ),
    _assumed(
        "Who picks up and is not connected, because the whisper (`url` of a Number, Sip or Client) hangs "
        "up or fails, is `no-answer` to the action of `<Dial>`, with `DialBridged=false`",
        "`simulate`: whispers",
        "dial with a whisper of `<Hangup/>`, look at the action's parameters",
    ),
    _assumed(
        "Without `answerOnBridge` the caller hears nothing while the called party hears a whisper",
        "`simulate`: dead air",
        "dial with a whisper of ten seconds, listen as the caller",
    ),
    _assumed(
        "A stream, recording or transcription of `<Start>` with a name that runs already is refused, and "
        "`<Stop>` without a name ends the last one",
        "`simulate`: Start, Stop",
        "start two of one name",
    ),
)
