"""The media stream of a call: frames, audio, the caller."""
