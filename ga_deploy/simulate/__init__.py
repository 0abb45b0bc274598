"""Twilio's side of whole calls (webhook, TwiML, media stream, action) and the judge of what callers went through."""
