"""Twilio's APIs on loopback, with functions that truly run in Node. Imports nothing of the client's."""
