"""The image store: naming, catalog, archives, matching, pruning, leases, layout directories."""
