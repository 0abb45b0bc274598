"""One writer at a time: leases, lock files, and the guard that every write passes."""
