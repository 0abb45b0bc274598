"""What TwiML for voice may contain: each element's attributes and children, and what ends a document.

Sources: Twilio docs, TwiML for Programmable Voice, one page per verb; the attribute lists are those of the
`twilio` 9.13 SDK's `VoiceResponse`, which is generated from Twilio's own schema. Twilio reports anything else
as a schema warning (12200) and leaves it out, so a misspelt verb is silence and not an error.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """What an element may carry.

    `ends`: nothing after it runs. `hands_over`: nothing after it runs if it has an `action`. `ssml`: its
    children are speech markup. `naming`: its children only name what runs already, and need nothing else.
    """

    attributes: frozenset[str]
    children: frozenset[str] = frozenset()
    text: bool = False
    required: frozenset[str] = frozenset()
    ends: bool = False
    hands_over: bool = False
    ssml: bool = False
    naming: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STATUS = _words("url method statusCallback statusCallbackEvent statusCallbackMethod")
_RECORDING = _words("recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent trim")
_MACHINES = _words(
    """machineDetection machineDetectionTimeout machineDetectionSpeechThreshold
    machineDetectionSpeechEndThreshold machineDetectionSilenceTimeout amdStatusCallback
    amdStatusCallbackMethod"""
)

VERBS: dict[str, Form] = {
    "Say": Form(_words("voice loop language"), text=True, ssml=True),
    "Play": Form(_words("loop digits"), text=True),
    "Pause": Form(_words("length")),
    "Gather": Form(
        _words(
            """input action method timeout speechTimeout maxSpeechTime profanityFilter finishOnKey
            numDigits partialResultCallback partialResultCallbackMethod language hints bargeIn debug
            actionOnEmptyResult dtmfDetection speechModel enhanced"""
        ),
        children=_words("Say Play Pause"),
    ),
    "Connect": Form(
        _words("action method"),
        children=_words(
            """Stream Room Conversation VirtualAgent Autopilot AiAssistant Assistant ConversationRelay
            ConversationRelaySession AiSession"""
        ),
        hands_over=True,
    ),
    "Dial": Form(
        _words(
            """action method timeout hangupOnStar timeLimit callerId record answerOnBridge ringTone
            recordingTrack sequential referUrl referMethod events"""
        )
        | _RECORDING,
        children=_words("Number Sip Client Conference Queue Sim Application WhatsApp"),
        text=True,
        hands_over=True,
    ),
    "Enqueue": Form(
        _words("action maxQueueSize method waitUrl waitUrlMethod workflowSid"),
        children=_words("Task"),
        text=True,
        hands_over=True,
    ),
    "Redirect": Form(_words("method"), text=True, ends=True),
    "Refer": Form(_words("action method"), children=_words("Sip ReferSip"), hands_over=True),
    "Record": Form(
        _words("""action method timeout finishOnKey maxLength playBeep transcribe transcribeCallback""") | _RECORDING,
    ),
    "Hangup": Form(frozenset(), children=_words("Parameter"), ends=True),
    "Reject": Form(_words("reason"), children=_words("Parameter"), ends=True),
    "Leave": Form(frozenset(), ends=True),
    "Echo": Form(frozenset()),
    "Start": Form(_words("action method"), children=_words("Stream Siprec Transcription Recording")),
    "Stop": Form(frozenset(), children=_words("Stream Siprec Transcription Recording"), naming=True),
    "Message": Form(_words("to from action method statusCallback"), children=_words("Body Media"), text=True),
    "Sms": Form(_words("to from action method statusCallback"), text=True),
    "Queue": Form(_words("url method reservationSid postWorkActivitySid"), text=True),
    "Pay": Form(
        _words(
            """input action bankAccountType statusCallback statusCallbackMethod timeout maxAttempts
            securityCode postalCode minPostalCodeLength paymentConnector paymentMethod tokenType
            chargeAmount currency description validCardTypes language"""
        ),
        children=_words("Prompt Parameter"),
        hands_over=True,
    ),
    "Prompt": Form(_words("for errorType cardType attempt requireMatchingInputs"), children=_words("Say Play Pause")),
}

NOUNS: dict[str, Form] = {
    "Stream": Form(
        _words("""name connectorName url track statusCallback statusCallbackMethod audioFormat sampleRate"""),
        children=_words("Parameter"),
        required=frozenset({"url"}),
    ),
    "Siprec": Form(
        _words("name connectorName track statusCallback statusCallbackMethod"), children=_words("Parameter")
    ),
    "Transcription": Form(
        _words(
            """name track statusCallbackUrl statusCallbackMethod inboundTrackLabel outboundTrackLabel partialResults
            languageCode transcriptionEngine profanityFilter speechModel hints enableAutomaticPunctuation
            intelligenceService"""
        ),
        children=_words("Config Parameter"),
    ),
    "Recording": Form(_words("track channels recordingConfigurationId") | _RECORDING),
    "Config": Form(_words("name value")),
    "Parameter": Form(_words("name value"), required=_words("name value")),
    "Number": Form(_words("sendDigits byoc") | _STATUS | _MACHINES, text=True),
    "Sip": Form(_words("username password") | _STATUS | _MACHINES, text=True),
    "ReferSip": Form(frozenset(), text=True),
    "Client": Form(_STATUS, children=_words("Identity Parameter"), text=True),
    "Identity": Form(frozenset(), text=True),
    "Conference": Form(
        _words(
            """muted beep startConferenceOnEnter endConferenceOnExit waitUrl waitMethod maxParticipants
            record region coach eventCallbackUrl jitterBufferSize participantLabel statusCallback
            statusCallbackEvent statusCallbackMethod"""
        )
        | _RECORDING,
        text=True,
    ),
    "Queue": VERBS["Queue"],
    "Task": Form(_words("priority timeout"), text=True),
    "Sim": Form(frozenset(), text=True),
    "Application": Form(
        _words("customerId copyParentTo") | _STATUS,
        children=_words("ApplicationSid Parameter"),
        text=True,
    ),
    "WhatsApp": Form(_STATUS, text=True),
}

# Elements that voice TwiML knows inside others but whose inside is not looked at here.
OPAQUE = _words(
    """Room Conversation VirtualAgent Autopilot AiAssistant Assistant ConversationRelay AiSession
    ConversationRelaySession Body Media ApplicationSid"""
)
