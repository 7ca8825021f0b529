"""deb_layers: the packages of a set as the layers that the lock has planned."""

load(":layer.bzl", "image_layer")

def deb_layers(name, packages, **kwargs):
    """Declares a layer `NAME.LAYER` for each layer of a set of packages.

        load("@debian//:layers.bzl", "LAYERS")

        image_manifest(
            name = "python",
            layers = deb_layers(name = "python_packages", packages = LAYERS["python"]),
        )

    Args:
        name: string, in front of the names of the layers.
        packages: dict of strings to labels, from `layers.bzl` of the repository that `deb.lock`
            declares: layer to its packages.
        **kwargs: attributes of `image_layer`, for each of them.

    Returns:
        list of strings, the labels of the layers.
    """
    for layer, debs in packages.items():
        image_layer(
            name = "%s.%s" % (name, layer),
            debs = [debs],
            **kwargs
        )
    return [":%s.%s" % (name, layer) for layer in packages]
