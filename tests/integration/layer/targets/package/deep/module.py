"""A module below a package that has no __init__.py of its own."""
