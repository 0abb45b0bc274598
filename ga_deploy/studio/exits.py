"""The exits that each kind of Studio widget has, whether a definition lists them or not.

A definition may leave out an exit without a target: Terraform's own example has a Trigger without exits. Sources:
Twilio docs, Widget Library; the widget tests of the terraform provider. The `match` of a split is not in the
list: such an exit exists only if somebody wrote its condition.
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
