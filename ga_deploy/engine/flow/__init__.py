"""The Studio flow of an environment: what is wanted, what is live, what others did to it."""
