"""Read, compare, apply: how the config becomes what is live. Prints nothing; reports events.

The layers, from the top down. Nothing imports upwards.

    a file a command     up · status · destroy · number_commands · flow_commands
    apply                apply/   the steps of a deployment, builds, the check, concurrent deployments
    one snapshot         session (which environment, on which platform), snapshot (its current state)
    decide               plan/    desired against observed, ownership, drift, limits
                         numbers/ what happens to each number; flow/ what happens to the Studio flow
    remember             record/  releases and what numbers had
    one writer           lock/    leases, lock files, the guard of every write
    base                 platform (the requests to Twilio) · timing · parallel
"""
