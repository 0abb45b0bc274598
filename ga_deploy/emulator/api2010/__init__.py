"""The 2010 API: incoming phone numbers and accounts."""
