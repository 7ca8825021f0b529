"""Labels as people write them."""

def label_text(label):
    """A label for messages: `//app:image` in the main repository, whatever it is called.

    Args:
        label: Label.

    Returns:
        string.
    """
    text = str(label)
    return text[2:] if text.startswith("@@//") else text
