"""What images of Debian packages are made of: `deb_layers`, `ca_bundle`, `deb_files`, `ld_cache`."""

load("//rules/private:ca_bundle.bzl", _ca_bundle = "ca_bundle")
load("//rules/private:deb_files.bzl", _deb_files = "deb_files")
load("//rules/private:deb_layers.bzl", _deb_layers = "deb_layers")
load("//rules/private:ld_cache.bzl", _ld_cache = "ld_cache")

ca_bundle = _ca_bundle
deb_files = _deb_files
deb_layers = _deb_layers
ld_cache = _ld_cache
