"""Studio v2: flows, their validation, and the calls that run through them."""
