"""Names that registries accept, checked at analysis time (distribution-spec 1.1, "Pulling manifests").

Starlark has no regular expressions, so the grammar is spelled out. tools/lading/oci/reference.py
holds the same grammar for names that come from flags and files; a test compares the two.
"""

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_TAG = _LOWER + _LOWER.upper() + "_.-"

def is_digest(text):
    """Whether `text` is a digest of what a registry holds.

    Args:
        text: string.

    Returns:
        bool.
    """
    return text.startswith("sha256:") and len(text) == 71 and not text[7:].strip("0123456789abcdef")

def repository_error(name):
    """Says what is wrong with a repository name.

    Args:
        name: string.

    Returns:
        string, empty for a valid name.
    """
    for component in name.split("/"):
        if not component:
            return "has an empty component"
        if component[0] not in _LOWER or component[-1] not in _LOWER:
            return "has a component that does not start and end with a lowercase letter or digit"
        separator = ""
        for character in component.elems():
            if character in _LOWER:
                if separator not in ("", ".", "_", "__") and separator.strip("-"):
                    return "has the separator %r" % separator
                separator = ""
            elif character in "._-":
                separator += character
            else:
                return "has the character %r" % character
    return ""

def tag_error(tag):
    """Says what is wrong with a tag.

    Args:
        tag: string.

    Returns:
        string, empty for a valid tag.
    """
    if not tag or len(tag) > 128:
        return "does not have 1 to 128 characters"
    if tag[0] in ".-":
        return "starts with %r" % tag[0]
    for character in tag.elems():
        if character not in _TAG:
            return "has the character %r" % character
    return ""

def name_error(name):
    """Says what is wrong with what an image is called in an engine: `[registry/]repository[:tag]`.

    Args:
        name: string.

    Returns:
        string, empty for a valid name.
    """
    head, slash, last = name.rpartition("/")
    repository, colon, tag = last.partition(":")
    error = repository_error(without_registry(head + slash + repository))
    return error or (tag_error(tag) if colon else "")

def without_registry(name):
    """The repository of `[registry/]repository`.

    Args:
        name: string. Its first component is a registry if it has a `.` or `:` or is `localhost`.

    Returns:
        string.
    """
    first, _, rest = name.partition("/")
    return rest if rest and ("." in first or ":" in first or first == "localhost") else name

def check_repository(name, *, what):
    """Fails unless `name` is a repository name or a template of one.

    Args:
        name: string.
        what: string, names target and attribute in the failure.
    """
    error = "" if "{" in name else repository_error(name)
    if error:
        fail("%s: %r %s. Use lowercase letters and digits, separated by one of . _ __ - and by /." % (what, name, error))

def check_registry(name, *, what):
    """Fails for an address with a scheme or a path where a registry has to be, unless it is a template.

    Args:
        name: string, may be empty.
        what: string, names target and attribute in the failure.
    """
    if "{" not in name and ("/" in name or "@" in name or " " in name):
        path = "" if "://" in name else name.partition("/")[2]
        rest = ", and %s/... as the repository" % path if path else ""
        fail("%s: %r is not a registry. Write host or host:port%s." % (what, name, rest))

def check_tag(tag, *, what):
    """Fails unless `tag` is a tag or a template of one.

    Args:
        tag: string.
        what: string, names target and attribute in the failure.
    """
    error = "" if "{" in tag else tag_error(tag)
    if error:
        fail("%s: %r %s. Use at most 128 letters, digits, _ . and -, not starting with . or -." % (what, tag, error))

def check_name(name, *, what):
    """Fails unless `name` is what an image can be called in an engine, or a template of it.

    Args:
        name: string.
        what: string, names target and attribute in the failure.
    """
    error = "" if "{" in name else name_error(name)
    if error:
        fail("%s: %r %s. Write a tag, or a whole name: team/app:dev." % (what, name, error))
