"""Loading images into an engine: `image_load`."""

load("//rules/private:load.bzl", _image_load = "image_load")

image_load = _image_load
