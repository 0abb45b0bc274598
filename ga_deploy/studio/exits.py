"""The exits that each kind of Studio widget has, whether a definition lists them or not.

A definition may leave out an exit that leads nowhere: Terraform's own example has a Trigger without any. Sources:
Twilio docs, Widget Library; the widget tests of the terraform provider. A split's `match` is not here: an exit with a
condition is there only when somebody wrote the condition.
"""

from __future__ import annotations

EXITS: dict[str, tuple[str, ...]] = {
    "trigger": (
        "incomingMessage",
        "incomingCall",
        "incomingConversationMessage",
        "incomingRequest",
        "incomingParent",
    ),
    "add-twiml-redirect": ("return", "timeout", "fail"),
    "call-recording": ("success", "failed"),
    "capture-payments": (
        *("success", "maxFailedAttempts", "providerError", "payInterrupted", "hangup", "validationError"),
    ),
    "connect-call-to": ("callCompleted", "hangup"),
    "enqueue-call": ("callComplete", "failedToEnqueue", "callFailure"),
    "gather-input-on-call": ("keypress", "speech", "timeout"),
    "make-http-request": ("success", "failed"),
    "record-voicemail": ("recordingComplete", "noAudio", "hangup"),
    "run-function": ("success", "fail"),
    "run-subflow": ("completed", "failed"),
    "say-play": ("audioComplete",),
    "send-message": ("sent", "failed"),
    "send-to-flex": ("callComplete", "failedToEnqueue", "callFailure"),
    "set-variables": ("next",),
    "split-based-on": ("noMatch",),
}
