"""What Twilio's voice platform takes, and what it does: a rule book that names its sources.

It imports nothing else of the project. The config's checks, the simulator and what generates documentation read it; the
emulator does not, so that one misreading does not pass everywhere. `verbs` is the table of verbs and attributes,
`behaviour` what Twilio does with a call, `elements` which attributes and children an element has, `speech` how long a
spoken text may be, `check` what a document breaks.
"""
