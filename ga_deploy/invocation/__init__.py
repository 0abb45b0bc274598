"""One run of the command line: its options, its config, its session, the numbers it names."""
