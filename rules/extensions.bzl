"""Module extensions."""

load("//rules/private:deb.bzl", _deb = "deb")

deb = _deb
