"""Functions in Node: packages, worker processes, the rules of a request. Knows nothing of the APIs."""
