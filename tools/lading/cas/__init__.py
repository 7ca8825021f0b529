"""Bazel's remote caches: content streamed from a content-addressable storage (CAS)."""
