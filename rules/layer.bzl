"""Layers: `image_layer` and its kin, and `file_metadata`."""

load("//rules/private:binary.bzl", _layer_from_binary = "layer_from_binary")
load("//rules/private:empty_layer.bzl", _empty_layer = "empty_layer")
load("//rules/private:file_metadata.bzl", _file_metadata = "file_metadata")
load("//rules/private:layer.bzl", _image_layer = "image_layer")
load("//rules/private:layer_from_file.bzl", _layer_from_file = "layer_from_file")
load("//rules/private:layer_from_tar.bzl", _layer_from_tar = "layer_from_tar")
load("//rules/private:python_layer.bzl", _python_layer = "python_layer")

empty_layer = _empty_layer
file_metadata = _file_metadata
layer_from_binary = _layer_from_binary
layer_from_file = _layer_from_file
python_layer = _python_layer

def image_layer(name, **kwargs):
    """Declares a layer of files, directories, binaries, archives and Debian packages.

    Args:
        name: string, name of the target.
        **kwargs: attributes of the rule `image_layer` of `//rules/private:layer.bzl`; switches such as
            `estargz` are `"auto"`, `"enabled"`, `"disabled"`, True or False.
    """
    _image_layer(name = name, **_switches(kwargs))

def layer_from_tar(name, **kwargs):
    """Declares a layer that is an archive that exists already.

    Args:
        name: string, name of the target.
        **kwargs: attributes of the rule `layer_from_tar` of `//rules/private:layer_from_tar.bzl`, with
            switches as in `image_layer`.
    """
    _layer_from_tar(name = name, **_switches(kwargs))

def _switches(attributes):
    """The same attributes, with words in place of booleans where an attribute takes words."""
    words = {True: "enabled", False: "disabled"}
    return {
        name: words[value] if name in ("create_parent_directories", "estargz", "soci") and type(value) == "bool" else value
        for name, value in attributes.items()
    }
