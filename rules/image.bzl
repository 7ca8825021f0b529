"""Images: rules that assemble, import and index them, and macros for the usual cases."""

load("//rules/private:binary.bzl", _layer_from_binary = "layer_from_binary")
load("//rules/private:image.bzl", _image = "image", _image_from_binary = "image_from_binary")
load("//rules/private:import.bzl", _image_import = "image_import")
load("//rules/private:index.bzl", _image_index = "image_index")
load("//rules/private:manifest.bzl", _INHERIT_FROM_BASE = "INHERIT_FROM_BASE", _image_manifest = "image_manifest")
load("//rules/private:sharing.bzl", _layer_plan = "layer_plan")
load("//rules/private:sharing_report.bzl", _sharing_report = "sharing_report")

INHERIT_FROM_BASE = _INHERIT_FROM_BASE
image = _image
image_from_binary = _image_from_binary
image_import = _image_import
image_index = _image_index
image_manifest = _image_manifest
layer_from_binary = _layer_from_binary
layer_plan = _layer_plan
sharing_report = _sharing_report
