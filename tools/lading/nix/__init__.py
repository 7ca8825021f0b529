"""Closures of Nix stores: what `nix path-info` says of them, and which layers they become."""
