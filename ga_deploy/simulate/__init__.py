"""Twilio's side of whole calls: webhook, TwiML, media stream, action, next TwiML; and the judge of what callers went through."""
