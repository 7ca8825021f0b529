"""Images of what Nix builds: the repository rule `nix_closure`, and `nix_image`."""

load("//rules/private:nix.bzl", _nix_image = "nix_image")
load("//rules/private:nix_closure.bzl", _nix_closure = "nix_closure")

nix_closure = _nix_closure
nix_image = _nix_image
