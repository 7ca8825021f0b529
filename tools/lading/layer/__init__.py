"""Layers: what goes in, how it is laid out as a tar archive, cut into frames and compressed.

Modules on the path of the layer action avoid `typing`, `dataclasses` and `re`: importing them
costs more than building a small layer does.
"""
