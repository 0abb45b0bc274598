"""What TwiML for voice may contain: each element's attributes and children, and what ends a document.

Sources: Twilio docs, TwiML for Programmable Voice, one page per verb; the attribute lists are those of the
`twilio` 9.13 SDK's `VoiceResponse`, which is generated from Twilio's own schema. Twilio reports anything else
as a schema warning (12200) and leaves it out, so a misspelt verb is silence and not an error.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
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

VERBS: dict[str, Rule] = {
    "Say": Rule(_words("voice loop language"), text=True, ssml=True),
    "Play": Rule(_words("loop digits"), text=True),
    "Pause": Rule(_words("length")),
    "Gather": Rule(
        _words(
            """input action method timeout speechTimeout maxSpeechTime profanityFilter finishOnKey
            numDigits partialResultCallback partialResultCallbackMethod language hints bargeIn debug
            actionOnEmptyResult dtmfDetection speechModel enhanced"""
        ),
        children=_words("Say Play Pause"),
    ),
    "Connect": Rule(
        _words("action method"),
        children=_words(
            """Stream Room Conversation VirtualAgent Autopilot AiAssistant Assistant ConversationRelay
            ConversationRelaySession AiSession"""
        ),
        hands_over=True,
    ),
    "Dial": Rule(
        _words(
            """action method timeout hangupOnStar timeLimit callerId record answerOnBridge ringTone
            recordingTrack sequential referUrl referMethod events"""
        )
        | _RECORDING,
        children=_words("Number Sip Client Conference Queue Sim Application WhatsApp"),
        text=True,
        hands_over=True,
    ),
    "Enqueue": Rule(
        _words("action maxQueueSize method waitUrl waitUrlMethod workflowSid"),
        children=_words("Task"),
        text=True,
        hands_over=True,
    ),
    "Redirect": Rule(_words("method"), text=True, ends=True),
    "Refer": Rule(_words("action method"), children=_words("Sip ReferSip"), hands_over=True),
    "Record": Rule(
        _words("""action method timeout finishOnKey maxLength playBeep transcribe transcribeCallback""") | _RECORDING,
        ends=True,
    ),
    "Hangup": Rule(frozenset(), children=_words("Parameter"), ends=True),
    "Reject": Rule(_words("reason"), children=_words("Parameter"), ends=True),
    "Leave": Rule(frozenset(), ends=True),
    "Echo": Rule(frozenset()),
    "Start": Rule(_words("action method"), children=_words("Stream Siprec Transcription Recording")),
    "Stop": Rule(frozenset(), children=_words("Stream Siprec Transcription Recording"), naming=True),
    "Message": Rule(_words("to from action method statusCallback"), children=_words("Body Media"), text=True),
    "Sms": Rule(_words("to from action method statusCallback"), text=True),
    "Queue": Rule(_words("url method reservationSid postWorkActivitySid"), text=True),
    "Pay": Rule(
        _words(
            """input action bankAccountType statusCallback statusCallbackMethod timeout maxAttempts
            securityCode postalCode minPostalCodeLength paymentConnector paymentMethod tokenType
            chargeAmount currency description validCardTypes language"""
        ),
        children=_words("Prompt Parameter"),
        hands_over=True,
    ),
    "Prompt": Rule(_words("for errorType cardType attempt requireMatchingInputs"), children=_words("Say Play Pause")),
}

NOUNS: dict[str, Rule] = {
    "Stream": Rule(
        _words("""name connectorName url track statusCallback statusCallbackMethod audioFormat sampleRate"""),
        children=_words("Parameter"),
        required=frozenset({"url"}),
    ),
    "Siprec": Rule(
        _words("name connectorName track statusCallback statusCallbackMethod"), children=_words("Parameter")
    ),
    "Transcription": Rule(
        _words(
            """name track statusCallbackUrl statusCallbackMethod inboundTrackLabel outboundTrackLabel partialResults
            languageCode transcriptionEngine profanityFilter speechModel hints enableAutomaticPunctuation
            intelligenceService"""
        ),
        children=_words("Config Parameter"),
    ),
    "Recording": Rule(_words("track channels recordingConfigurationId") | _RECORDING),
    "Config": Rule(_words("name value")),
    "Parameter": Rule(_words("name value"), required=_words("name value")),
    "Number": Rule(_words("sendDigits byoc") | _STATUS | _MACHINES, text=True),
    "Sip": Rule(_words("username password") | _STATUS | _MACHINES, text=True),
    "ReferSip": Rule(frozenset(), text=True),
    "Client": Rule(_STATUS, children=_words("Identity Parameter"), text=True),
    "Identity": Rule(frozenset(), text=True),
    "Conference": Rule(
        _words(
            """muted beep startConferenceOnEnter endConferenceOnExit waitUrl waitMethod maxParticipants
            record region coach eventCallbackUrl jitterBufferSize participantLabel statusCallback
            statusCallbackEvent statusCallbackMethod"""
        )
        | _RECORDING,
        text=True,
    ),
    "Queue": VERBS["Queue"],
    "Task": Rule(_words("priority timeout"), text=True),
    "Sim": Rule(frozenset(), text=True),
    "Application": Rule(
        _words("customerId copyParentTo") | _STATUS,
        children=_words("ApplicationSid Parameter"),
        text=True,
    ),
    "WhatsApp": Rule(_STATUS, text=True),
}

# Elements that voice TwiML knows inside others but whose inside is not looked at here.
OPAQUE = _words(
    """Room Conversation VirtualAgent Autopilot AiAssistant Assistant ConversationRelay AiSession
    ConversationRelaySession Body Media ApplicationSid"""
)

# Verbs that a simulated call carries out. Twilio knows the others too; meeting one is said, and skipped.
SIMULATED = _words("""Say Play Pause Gather Connect Dial Enqueue Redirect Refer Record Hangup Reject Start Stop Pay""")
