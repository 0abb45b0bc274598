"""What tests and the command line set and see: faults, journal, state, other deployers."""
