"""The values that the parts of ga-deploy pass to each other: frozen, JSON-able, without I/O.

Imports only `errors` and `redact`. Twilio's resources have Twilio's names. Records carry only the fields that ga-deploy
reads; the gateway makes them from Twilio's responses.
"""
