"""What every rule that makes a layer returns."""

load("//rules:providers.bzl", "LayersInfo")

def layer_file(layer):
    """The file that a layer is made from while it is pushed or loaded, or the layer itself.

    Args:
        layer: LayerInfo.

    Returns:
        File.
    """
    return getattr(layer, "recipe", None) or layer.blob

def layer_providers(info, **groups):
    """The providers of a layer.

    Args:
        info: LayerInfo.
        **groups: depsets of more output groups, by name.

    Returns:
        list of providers.
    """
    return [
        # One file: rules that take archives, and $(location), take a layer.
        DefaultInfo(files = depset([layer_file(info)])),
        info,
        LayersInfo(layers = [info]),
        OutputGroupInfo(layer = depset([info.blob]), metadata = depset([info.metadata]), **groups),
    ]
