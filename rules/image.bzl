"""Images: the macro `image`, and the rules `image_manifest` and `image_index`."""

load("//rules/private:image.bzl", _image = "image")
load("//rules/private:index.bzl", _image_index = "image_index")
load("//rules/private:manifest.bzl", _INHERIT_FROM_BASE = "INHERIT_FROM_BASE", _image_manifest = "image_manifest")

INHERIT_FROM_BASE = _INHERIT_FROM_BASE
image = _image
image_index = _image_index
image_manifest = _image_manifest
