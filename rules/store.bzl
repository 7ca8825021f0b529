"""The image store: `image_save`."""

load("//rules/private:save.bzl", _image_save = "image_save")

image_save = _image_save
