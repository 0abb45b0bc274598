"""ga-deploy: ASAPP GenerativeAgent on Twilio Voice from one YAML file.

Nothing but the version lives here, so that `ga-deploy --version` imports nothing else.
"""

__version__ = "0.1.0"
