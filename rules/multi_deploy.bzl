"""Many pushes and loads as one command: `multi_deploy`."""

load("//rules/private:multi_deploy.bzl", _multi_deploy = "multi_deploy")

multi_deploy = _multi_deploy
