"""The one door to Twilio. Only this package knows the SDK; what leaves it are records of `model` and errors of `errors`."""
