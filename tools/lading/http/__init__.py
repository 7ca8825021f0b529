"""HTTP/1.1 for registries and caches: pooled connections, guarded redirects, bounds in time."""
