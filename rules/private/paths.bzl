"""Paths inside an image: checked at analysis time, so that a mistake names its target."""

def image_path(path, *, what):
    """Normalises an absolute path inside the image.

    Args:
        path: string, absolute or relative to `/`; a trailing slash is dropped.
        what: string, names target and attribute in the failure.

    Returns:
        The path, starting with one slash, without `.`, empty or `..` components.
    """
    parts = []
    for part in path.split("/"):
        if part == "..":
            fail("%s: the path %r has a '..' component. Write the path it stands for." % (what, path))
        if part not in ("", "."):
            parts.append(part)
    _check_characters(path, what)
    return "/" + "/".join(parts)

def link_target(target, *, what):
    """Checks what a symbolic link points to.

    Args:
        target: string, verbatim in the layer.
        what: string, names target and attribute in the failure.

    Returns:
        The target.
    """
    if not target:
        fail("%s: a symbolic link without a target." % what)
    _check_characters(target, what)
    return target

def _check_characters(path, what):
    for character in ("\t", "\n", "\r"):
        if character in path:
            fail("%s: the path %r has a control character." % (what, path))

def package_path(file, package):
    """The path of `file` in its repository, relative to a package if it lies in that.

    Args:
        file: File.
        package: string, `Label.package`.

    Returns:
        string.
    """
    path = file.short_path
    if path.startswith("../"):
        path = path.split("/", 2)[2]
    return path.removeprefix(package + "/") if package else path
