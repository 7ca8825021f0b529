"""Builders of images from Dockerfiles: BuildKit and buildah, one file each."""
