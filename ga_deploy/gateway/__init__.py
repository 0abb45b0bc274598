"""The one door to Twilio. Only this package knows the SDK; records of `model` and errors of `errors` leave it."""
