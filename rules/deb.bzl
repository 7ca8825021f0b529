"""Layers from Debian packages: `deb_layers`."""

load("//rules/private:deb_layers.bzl", _deb_layers = "deb_layers")

deb_layers = _deb_layers
