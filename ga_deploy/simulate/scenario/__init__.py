"""What is played, and how it is run."""
