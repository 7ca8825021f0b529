"""Module extensions."""

load("//rules/private:deb.bzl", _deb = "deb")
load("//rules/private:images_extension.bzl", _images = "images")

deb = _deb
images = _images
