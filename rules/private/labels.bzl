"""Labels and names as people write them."""

def label_text(label):
    """A label for messages: `//app:image` in the main repository, whatever it is called.

    Args:
        label: Label.

    Returns:
        string.
    """
    text = str(label)
    return text[2:] if text.startswith("@@//") else text

def apparent_name(rctx):
    """The name that a repository was declared by.

    Args:
        rctx: the repository rule's context.

    Returns:
        string.
    """

    # Bazel 7 separates by ~, Bazel 8 by +.
    return rctx.name.replace("~", "+").split("+")[-1]
