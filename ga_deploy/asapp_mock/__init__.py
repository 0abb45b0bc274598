"""ASAPP's REST endpoints and media-stream agent, scripted, on loopback. Imports nothing of the client's."""
