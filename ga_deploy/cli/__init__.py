"""The command line: the signatures of the commands, the global options, and the way from an error to an exit code."""
