"""Look, compare, carry out: how what the config asks for becomes what is live. Prints nothing; reports events.

Where things are, from the top down. Nothing imports upwards.

    a file a command     up · status · destroy · number_commands · flow_commands
    carry out            apply/   the steps of a deployment, builds, the check, the deployments of others
    one look             session (whose environment, on which platform), snapshot (what is there)
    decide               plan/    desired against observed, ownership, drift, limits
                         numbers/ what happens to each number; flow/ what happens to the Studio flow
    remember             record/  releases and what numbers had
    one writer           lock/    leases, lock files, the guard of every write
    beneath              platform (what is asked of Twilio) · timing · parallel
"""
