"""The rules of each verb and attribute, as rows: the rule, what breaks, the source, how sure.

Longer than most modules on purpose: it is one table. Source names are page titles of Twilio's documentation; "error N"
is the page of that error; "npm" and "PyPI" are Twilio's own packages `twilio`, whose lists of words a test compares.
"""

from __future__ import annotations

from ga_deploy.twilio_rules import faults
from ga_deploy.twilio_rules.rows import Row, Sure
from ga_deploy.twilio_rules.values import METHOD, YES_NO, Length, OneOf, Pattern, Url, Value, Whole

_RELATIVE = Url(relative=True)
_ABSOLUTE = Url(relative=False)
_EVENTS = OneOf(("in-progress", "completed", "absent"), several=True)
_TRIM = OneOf(("trim-silence", "do-not-trim"))
_SIDE = OneOf(("inbound", "outbound", "both"))
_NUMBER = Pattern(r"\+?[0-9][0-9 ().-]{2,20}", "a phone number")
_POST = "the method is taken for POST"


def _row(
    element: str, attribute: str, value: Value, broken: str, source: str, code: int = 0, *, refused: bool = False
) -> Row:
    return Row(element, attribute, broken, source, value, code=code, refused=refused)


def _recorded(element: str, source: str) -> tuple[Row, ...]:
    """Return the attributes that everything that records has in common."""
    return (
        _row(element, "recordingStatusCallback", _RELATIVE, "no event of the recording is reported", source),
        _row(element, "recordingStatusCallbackMethod", METHOD, _POST, source),
        _row(
            element,
            "recordingStatusCallbackEvent",
            _EVENTS,
            "only `completed` is reported",
            f"{source}; error 13621",
            13621,
        ),
        _row(element, "trim", _TRIM, "nothing is trimmed", f"{source}; error 13699", 13699),
    )


_SAY = (
    Row(
        "Say",
        "",
        "nothing is spoken",
        "Say; error 13521",
        code=13521,
        find_fault=faults.find_say_fault,
        words="text of at most 4,096 characters with basic voices, 3,000 with Polly, 5,000 with Google; "
        "URL-encoded at most 4,500",
        refused=True,
    ),
    _row("Say", "loop", Whole(0, 1000), "the text is spoken once", "Say"),
    _row("Play", "loop", Whole(0, 1000), "the sound is played once", "Play"),
    _row(
        "Play",
        "digits",
        Pattern(r"[0-9wW*#A-D]*", "digits, `*`, `#`, `A` to `D` and `w`"),
        "no tones are played",
        "Play",
    ),
    Row("Play", "", "nothing is played", "Play", _RELATIVE),
    _row("Pause", "length", Whole(0), "the pause is one second", "Pause"),
)

_GATHER = (
    _row("Gather", "action", _RELATIVE, "the result goes nowhere", "Gather"),
    _row("Gather", "method", METHOD, _POST, "Gather"),
    _row("Gather", "input", OneOf(("dtmf", "speech"), several=True), "keys only are taken", "Gather; npm"),
    _row(
        "Gather", "timeout", Pattern(r"[0-9]+|auto", "whole seconds, or `auto`"), "Twilio waits five seconds", "Gather"
    ),
    _row("Gather", "numDigits", Whole(1), "the number of keys is not limited", "Gather"),
    _row("Gather", "finishOnKey", Pattern(r"[0-9*#]?", "one key, or empty"), "`#` ends the input", "Gather"),
    _row("Gather", "actionOnEmptyResult", YES_NO, "without input the action is not requested", "Gather"),
)

_CONNECT = (
    _row("Connect", "action", _RELATIVE, "the call goes on with the next verb, or ends", "Connect"),
    _row("Connect", "method", METHOD, _POST, "Connect"),
    Row(
        "Connect/Stream",
        "url",
        "the stream is not opened (31920)",
        "Stream; errors 31920, 31922",
        code=31920,
        required=True,
        find_fault=faults.find_stream_url_fault,
        words="absolute `wss` URL without a query (`ws` on loopback alone, where Twilio never comes)",
        refused=True,
    ),
    _row(
        "Connect/Stream", "track", OneOf(("inbound_track",)), "the stream is not opened", "Stream", 31920, refused=True
    ),
    _row(
        "Stream",
        "statusCallback",
        _ABSOLUTE,
        "no stream event is reported; the stream itself opens",
        "Stream; twilio-node `StreamContextCreateOptions`",
    ),
    _row("Stream", "statusCallbackMethod", METHOD, _POST, "Stream; npm"),
    Row(
        "Stream",
        "",
        "the parameters above the limit are lost",
        "REST resource Stream (Parameter1 to Parameter99)",
        find_fault=faults.find_parameters_fault,
        words=f"at most {faults.PARAMETERS} Parameters",
        sure=Sure.ASSUMED,
        breaks=False,
        matters="`/engage` leaves out what is beyond",
        check="send 100 and look at `start.customParameters`",
    ),
    Row(
        "Stream/Parameter",
        "",
        "the parameter is refused or cut",
        "none: reported by developers",
        find_fault=faults.find_parameter_fault,
        words=f"name and value have fewer than {faults.PARAMETER_LENGTH} characters together",
        sure=Sure.ASSUMED,
        breaks=False,
        matters="`/engage` cuts values",
        check="send longer ones and look at `start.customParameters`",
    ),
)

_START = (
    Row(
        "Start/Stream",
        "url",
        "the stream is not opened",
        "Stream; errors 31920, 31922",
        code=31920,
        required=True,
        find_fault=faults.find_stream_url_fault,
        words="absolute `wss` URL without a query",
        refused=True,
    ),
    _row(
        "Start/Stream",
        "track",
        OneOf(("inbound_track", "outbound_track", "both_tracks")),
        "the caller alone is streamed",
        "Stream; npm",
        31920,
    ),
    _row("Start/Recording", "channels", OneOf(("mono", "dual")), "both sides come in two channels", "Recording"),
    _row("Start/Recording", "track", _SIDE, "both sides are recorded", "Recording; error 13622", 13622),
    *_recorded("Start/Recording", "Recording"),
)

_DIAL = (
    Row(
        "Dial",
        "",
        "nobody is called",
        "Dial",
        code=13221,
        find_fault=faults.find_dial_fault,
        words="a number as text, or nouns",
        refused=True,
    ),
    _row("Dial", "action", _RELATIVE, "the call goes on with the next verb, or ends", "Dial"),
    _row("Dial", "method", METHOD, _POST, "Dial"),
    Row(
        "Dial",
        "timeout",
        "it rings for 30 seconds",
        "Dial and error 13212 (a positive whole number); the upper end from memory",
        Whole(1, 600),
        code=13212,
        sure=Sure.ASSUMED,
        matters="`destinations.*.timeout`",
        check="dial with 1 and with 601",
    ),
    _row(
        "Dial",
        "timeLimit",
        Whole(1, 86400),
        "the call lasts four hours at most",
        "Dial; error 13216; Configurable call limits",
        13216,
    ),
    _row(
        "Dial",
        "callerId",
        Pattern(
            r"(?i)\+?[0-9]{3,15}|client:\S+|sips?:\S+|anonymous|[A-Za-z0-9+_.,-]+",
            "a number, a client or, for a Sip, letters, digits and `+-_.,`",
        ),
        "nobody is called",
        "Dial; Sip; error 13214",
        13214,
        refused=True,
    ),
    _row("Dial", "answerOnBridge", YES_NO, "the call is answered before somebody picks up", "Dial"),
    _row("Dial", "hangupOnStar", YES_NO, "the star key does nothing", "Dial"),
    _row(
        "Dial",
        "record",
        OneOf(
            (
                "do-not-record",
                "record-from-answer",
                "record-from-ringing",
                "record-from-answer-dual",
                "record-from-ringing-dual",
                "true",
                "false",
            )
        ),
        "nothing is recorded",
        "Dial (`true` and `false` for old documents); error 13217; npm",
        13217,
    ),
    _row("Dial", "recordingTrack", _SIDE, "both sides are recorded", "Dial; error 13622; npm", 13622),
    *_recorded("Dial", "Dial"),
    Row(
        "Dial/Number",
        "",
        "the number is not called",
        "Number; error 13223",
        code=13223,
        find_fault=faults.find_number_fault,
        words="a number in E.164 form",
        refused=True,
    ),
    Row(
        "Dial/Number",
        "",
        "the number is not called",
        "error 13225",
        code=13225,
        find_fault=faults.find_premium_fault,
        words="`<Dial>` to a +1 900 number is refused, whatever the account's geographic permissions",
        sure=Sure.ASSUMED,
        matters="`simulate`: Dial",
        check="dial one from a test account",
        refused=True,
    ),
    _row(
        "Dial/Number",
        "statusCallback",
        _ABSOLUTE,
        "the number is not called",
        "error 21609; twilio/twilio-csharp#395",
        21609,
        refused=True,
    ),
    _row("Dial/Number", "url", _RELATIVE, "the callee hears nothing before the connection", "Number"),
    Row(
        "Sip",
        "",
        "the address is not called",
        "Sip",
        code=13224,
        find_fault=faults.find_sip_address_fault,
        words="`sip:` or `sips:` address under 255 characters",
        refused=True,
    ),
    Row(
        "Sip",
        "",
        "the headers are left out",
        "Sip; error 13251",
        code=13251,
        find_fault=faults.find_sip_length_fault,
        words="headers of at most 1,024 characters together",
    ),
    Row(
        "Sip",
        "",
        "the header is left out",
        "Sip; error 13252",
        code=13252,
        find_fault=faults.find_sip_name_fault,
        words="headers `X-*` of letters, digits and dashes, `User-to-User`, `Remote-Party-ID`, "
        "`P-Preferred-Identity` and `P-Called-Party-ID`",
    ),
    Row(
        "Sip",
        "",
        "the call is refused",
        "error 32113",
        code=32113,
        find_fault=faults.find_sip_reserved_fault,
        words="no header `X-Twilio*`",
        refused=True,
    ),
    _row("Dial/Sip", "username", Length(255), "the address is not called", "error 21221", 21221, refused=True),
    _row("Dial/Sip", "password", Length(255), "the address is not called", "Sip", refused=True),
    _row("Dial/Sip", "statusCallback", _ABSOLUTE, "the address is not called", "error 21609", 21609, refused=True),
)

_ENQUEUE = (
    Row(
        "Enqueue",
        "",
        "the caller is not queued",
        "Enqueue; errors 14204, 14205",
        code=14205,
        find_fault=faults.find_queue_fault,
        words="a queue's name of 1 to 64 characters, or `workflowSid`",
        refused=True,
    ),
    Row(
        "Enqueue",
        "",
        "the Task is ignored",
        "Enqueue (a Task is what a workflow routes)",
        find_fault=faults.find_task_fault,
        words="`<Task>` in an `<Enqueue>` that has no `workflowSid` does nothing",
        sure=Sure.ASSUMED,
        matters="`validate` refuses `attributes`, `priority` and `timeout` beside `queue`",
        check="enqueue so, and look at the tasks of the workspace",
    ),
    _row(
        "Enqueue",
        "workflowSid",
        Pattern(r"WW[0-9a-fA-F]{32}", "a workflow SID"),
        "the caller is not queued",
        "Enqueue; error 14220",
        14220,
        refused=True,
    ),
    _row("Enqueue", "action", _RELATIVE, "the call goes on with the next verb, or ends", "Enqueue"),
    _row("Enqueue", "method", METHOD, _POST, "Enqueue"),
    _row("Enqueue", "waitUrl", _RELATIVE, "Twilio's own music is played", "Enqueue"),
    _row("Enqueue", "waitUrlMethod", METHOD, _POST, "Enqueue"),
    _row("Enqueue", "maxQueueSize", Whole(1, 5000), "the queue's own size counts", "Voice limits"),
    Row(
        "Enqueue/Task",
        "",
        "the caller is not queued",
        "Queueing calls with TaskRouter; error 14221",
        code=14221,
        find_fault=faults.find_task_json_fault,
        words="a JSON object",
        refused=True,
    ),
    Row(
        "Enqueue/Task",
        "",
        "the caller is not queued",
        "none",
        find_fault=faults.find_task_size_fault,
        words="attributes of a task may have at least 4,096 bytes together",
        sure=Sure.ASSUMED,
        matters="attributes are left out whole above 4 KB; an Enqueue that fails gives way to the next step",
        check="enqueue with 4, 8 and 16 KB of attributes",
        refused=True,
    ),
    _row("Enqueue/Task", "priority", Whole(0, 2147483647), "the workflow's priority counts", "Task resource"),
    _row("Enqueue/Task", "timeout", Whole(1, 1209600), "the task lives for a day", "Task resource"),
)

_RECORD = (
    _row("Record", "action", _RELATIVE, "the same document is requested again", "Record"),
    _row("Record", "method", METHOD, _POST, "Record"),
    _row("Record", "timeout", Whole(0), "five seconds of silence end it", "Record; error 13611", 13611),
    _row("Record", "maxLength", Whole(2, 86400), "an hour is recorded at most", "Record; error 13612", 13612),
    _row("Record", "finishOnKey", Pattern(r"[0-9*#]*", "keys"), "any key ends it", "Record"),
    _row("Record", "playBeep", YES_NO, "there is a beep", "Record"),
    _row("Record", "transcribe", YES_NO, "nothing is transcribed", "Record"),
    _row("Record", "transcribeCallback", _RELATIVE, "the transcription is not reported", "Record"),
    Row(
        "Record",
        "",
        "nothing is transcribed",
        "TwiML changelog, October 2024",
        find_fault=faults.find_transcribe_fault,
        words="`transcribeCallback` only together with `transcribe`",
        breaks=False,
    ),
    *_recorded("Record", "Record"),
)

_OTHERS = (
    _row("Sms", "to", _NUMBER, "nothing is sent; the next verb runs", "Sms", refused=True),
    _row("Sms", "from", _NUMBER, "nothing is sent; the next verb runs", "Sms", refused=True),
    _row("Sms", "action", _RELATIVE, "the next verb runs", "Sms"),
    _row("Sms", "method", METHOD, _POST, "Sms"),
    _row("Sms", "statusCallback", _RELATIVE, "the delivery is not reported", "Sms"),
    Row(
        "Sms",
        "",
        "nothing is sent",
        "Message resource (1,600 characters); the page of Sms names no length",
        Length(1600, 1),
        words="text of 1 to 1,600 characters",
        sure=Sure.ASSUMED,
        matters="steps `sms`",
        check="send 1,600 characters from a TwiML Bin, then 1,601",
        refused=True,
    ),
    Row("Redirect", "", "the same document is requested again", "Redirect", _RELATIVE),
    _row("Redirect", "method", METHOD, _POST, "Redirect"),
    Row(
        "Refer",
        "",
        "nobody is referred",
        "Refer; error 13801",
        code=13801,
        find_fault=faults.find_refer_fault,
        words="one Sip",
        refused=True,
    ),
    _row("Refer", "action", _RELATIVE, "the call ends", "Refer"),
    _row("Refer", "method", METHOD, _POST, "Refer"),
    _row(
        "Reject",
        "reason",
        OneOf(("rejected", "busy")),
        "the caller hears that the number is not in service",
        "Reject; npm",
    ),
)

ROWS: tuple[Row, ...] = (*_SAY, *_GATHER, *_CONNECT, *_START, *_DIAL, *_ENQUEUE, *_RECORD, *_OTHERS)
