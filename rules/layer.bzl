"""Layers: `image_layer`, `layer_from_tar` and `file_metadata`."""

load("//rules/private:file_metadata.bzl", _file_metadata = "file_metadata")
load("//rules/private:layer.bzl", _image_layer = "image_layer")
load("//rules/private:layer_from_tar.bzl", _layer_from_tar = "layer_from_tar")
load("//rules/private:python_layer.bzl", _python_layer = "python_layer")

file_metadata = _file_metadata
image_layer = _image_layer
layer_from_tar = _layer_from_tar
python_layer = _python_layer
