"""Functions, mock ASAPP and emulator, set up and run for `simulate` and `smoke`."""
