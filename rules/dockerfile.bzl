"""Images from Dockerfiles, and layers made by running a command: what needs a builder."""

load("//rules/private:dockerfile.bzl", _dockerfile_image = "dockerfile_image")
load("//rules/private:run_layer.bzl", _image_run_layer = "image_run_layer")

dockerfile_image = _dockerfile_image
image_run_layer = _image_run_layer
