"""Everything that lading offers to BUILD files."""

load("//rules:deb.bzl", _ca_bundle = "ca_bundle", _deb_files = "deb_files", _deb_layers = "deb_layers", _ld_cache = "ld_cache")
load("//rules:dev_image.bzl", _dev_image = "dev_image")
load("//rules:dockerfile.bzl", _dockerfile_image = "dockerfile_image", _image_run_layer = "image_run_layer")
load("//rules:image.bzl", _INHERIT_FROM_BASE = "INHERIT_FROM_BASE", _image = "image", _image_from_binary = "image_from_binary", _image_import = "image_import", _image_index = "image_index", _image_manifest = "image_manifest", _layer_from_binary = "layer_from_binary", _layer_plan = "layer_plan", _sharing_report = "sharing_report")
load("//rules:layer.bzl", _empty_layer = "empty_layer", _file_metadata = "file_metadata", _image_layer = "image_layer", _layer_from_file = "layer_from_file", _layer_from_tar = "layer_from_tar", _python_layer = "python_layer")
load("//rules:load.bzl", _image_load = "image_load", _image_load_spec = "image_load_spec")
load("//rules:multi_deploy.bzl", _multi_deploy = "multi_deploy")
load("//rules:nix.bzl", _nix_image = "nix_image")
load("//rules:providers.bzl", _DeployInfo = "DeployInfo", _DeploySpecInfo = "DeploySpecInfo", _ImageIndexInfo = "ImageIndexInfo", _ImageManifestInfo = "ImageManifestInfo", _LayerInfo = "LayerInfo", _LayerPlanInfo = "LayerPlanInfo", _LayersInfo = "LayersInfo", _NixClosureInfo = "NixClosureInfo", _ProgramInfo = "ProgramInfo")
load("//rules:push.bzl", _image_push = "image_push", _image_push_spec = "image_push_spec")
load("//rules:store.bzl", _image_save = "image_save")
load("//rules:test.bzl", _image_contract_test = "image_contract_test", _image_digest_test = "image_digest_test", _image_structure_test = "image_structure_test", _image_verify_test = "image_verify_test")

INHERIT_FROM_BASE = _INHERIT_FROM_BASE
DeployInfo = _DeployInfo
DeploySpecInfo = _DeploySpecInfo
ImageIndexInfo = _ImageIndexInfo
ImageManifestInfo = _ImageManifestInfo
LayerInfo = _LayerInfo
LayerPlanInfo = _LayerPlanInfo
LayersInfo = _LayersInfo
NixClosureInfo = _NixClosureInfo
ProgramInfo = _ProgramInfo
ca_bundle = _ca_bundle
deb_files = _deb_files
deb_layers = _deb_layers
empty_layer = _empty_layer
dockerfile_image = _dockerfile_image
dev_image = _dev_image
file_metadata = _file_metadata
image = _image
image_contract_test = _image_contract_test
image_digest_test = _image_digest_test
image_from_binary = _image_from_binary
image_import = _image_import
image_index = _image_index
image_layer = _image_layer
image_load = _image_load
image_load_spec = _image_load_spec
image_manifest = _image_manifest
image_push = _image_push
image_push_spec = _image_push_spec
image_run_layer = _image_run_layer
image_save = _image_save
image_structure_test = _image_structure_test
image_verify_test = _image_verify_test
layer_from_binary = _layer_from_binary
layer_from_file = _layer_from_file
layer_from_tar = _layer_from_tar
layer_plan = _layer_plan
ld_cache = _ld_cache
multi_deploy = _multi_deploy
nix_image = _nix_image
python_layer = _python_layer
sharing_report = _sharing_report
