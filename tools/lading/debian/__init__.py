"""Debian archives: signed indexes, dependency closures, and the lock that images are built from.

Versions and relations are read here (deb-version(7), deb-control(5)) because the one PyPI package
that does it, python-debian, is GPL and parses a whole index at 17,000 stanzas a second, where a
resolution looks at a few hundred of 68,000.
"""
