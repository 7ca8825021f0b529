"""Lading: build, verify, push, load, store and clean up OCI container images."""
