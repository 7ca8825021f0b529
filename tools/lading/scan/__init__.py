"""Tar archives and their compression, read strictly: as streams, and without unpacking them."""
