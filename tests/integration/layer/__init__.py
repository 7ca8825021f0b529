"""Layers as they are, in real tools and on other machines."""
