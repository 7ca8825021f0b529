"""Sending images away: `image_push`, `image_push_spec`."""

load("//rules/private:push.bzl", _image_push = "image_push")
load("//rules/private:spec.bzl", _image_push_spec = "image_push_spec")

image_push = _image_push
image_push_spec = _image_push_spec
