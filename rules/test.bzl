"""Tests of images: `image_structure_test`, `image_contract_test`, `image_digest_test`, `image_verify_test`."""

load("//rules/private:image_test.bzl", _image_contract_test = "image_contract_test", _image_digest_test = "image_digest_test", _image_structure_test = "image_structure_test", _image_verify_test = "image_verify_test")

image_contract_test = _image_contract_test
image_digest_test = _image_digest_test
image_structure_test = _image_structure_test
image_verify_test = _image_verify_test
