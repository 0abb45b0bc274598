"""Observe, compare, apply: how what is wanted becomes what is live. Prints nothing; reports events.

Where things are, and where the next one goes:

    begin         session (whose environment, on which platform, with which record) · guard (no write without a lease)
    wanted        wish
    look          snapshot (the one look) ▸ observe · ownership (what is ours) · standing, drift (`status`)
    decide        diff (pure: a rule for each kind of thing) · room · bindings (numbers) · flows (Studio)
    carry out     deployment (from look to last word) ▸ apply (the order of the steps) ▸ builds · check · merging
                  binder, binding_steps (numbers) · revisions, our_flows (Studio) · removal (`destroy`)
    on their own  numbers (`bind-number`, `unbind-number`) · flow_steps (`flow …`)
    remember      records, file_records (where) · releases, release_items, record_entries (deployments) · number_records
    locks         locking (which) · lock, file_lock (one) · holder (who)
    beneath       platform (what is asked of Twilio) · parallel
"""
