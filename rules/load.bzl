"""Loading images into an engine: `image_load`, `image_load_spec`."""

load("//rules/private:load.bzl", _image_load = "image_load")
load("//rules/private:spec.bzl", _image_load_spec = "image_load_spec")

image_load = _image_load
image_load_spec = _image_load_spec
