"""The commands, one file each: arguments to engine to ui. Nothing here prints or speaks to Twilio by itself."""
