"""A strict registry on loopback for tests: enforces what real ones let pass, fails on command."""
