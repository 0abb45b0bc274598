"""What the caller went through, compared with what the config promises."""
