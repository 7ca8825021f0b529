"""A program with a module in a package."""
