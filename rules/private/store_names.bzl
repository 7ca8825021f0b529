"""Names of stored images, checked when a BUILD file is loaded: `<project>-<os>-<version>-<variant>`.

docs/naming.md explains the grammar. tools/lading/store/naming.py holds the same for names that come
from flags and files; tests/unit/store/test_names_agree.py runs both on the same names. For that this
file keeps to the part of Starlark that is also Python.
"""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_MAX_NAME = 128
_BASE = "base"
_FAMILIES = ["clang", "dmd", "gcc", "gdc", "ghc", "go", "icx", "ldc", "nvcc", "rust"]
_SYSTEMS = ["alpine", "amazonlinux", "arch", "centos", "debian", "fedora", "opensuse", "rhel", "rocky", "ubuntu"]
_PATTERN = "<project>-<os>-<version>-<variant>, such as capy-ubuntu-24.04-gcc14 (docs/naming.md)"

def _is_word(text):
    return text != "" and text[0] in _LETTERS and text.lstrip(_LETTERS + _DIGITS) == ""

def _is_version(text):
    return all([part != "" and part.lstrip(_DIGITS) == "" for part in text.split(".")])

def _is_variant_word(text):
    word, dot, version = text.partition(".")
    return _is_word(word) and (dot == "" or _is_version(version))

def _is_compiler(word):
    family = word.rstrip(_DIGITS + ".")
    return family in _FAMILIES and _is_version(word[len(family):])

def _order(word):
    return ("0" if _is_compiler(word) else "1") + word

def _has_parts(words, place):
    return (
        1 < place and place < len(words) - 1 and
        all([_is_word(word) for word in words[:place]]) and
        _is_version(words[place]) and
        all([_is_variant_word(word) for word in words[place + 1:]])
    )

def _versions(words):
    return [place for place, word in enumerate(words) if word != "" and word[0] in _DIGITS]

def image_name_error(name):
    """Says what is wrong with the name of a stored image.

    Args:
        name: string.

    Returns:
        string, empty for a valid name.
    """
    if not name:
        return "it is empty"
    if len(name) > _MAX_NAME:
        return "it is longer than %d characters" % _MAX_NAME
    bad = name.lstrip(_LETTERS + _DIGITS + ".-")
    if bad:
        return "it has the character %r" % bad[0]
    words = name.split("-")
    versions = _versions(words)
    if len(versions) != 1 or not _has_parts(words, versions[0]):
        return "it does not have the four parts project, os, version and variant"
    variant = words[versions[0] + 1:]
    for word in variant:
        if "." in word and not _is_compiler(word):
            return "%r has a dot and is no compiler" % word
    for place, word in enumerate(variant):
        if word in variant[:place]:
            return "it has a word twice in its variant"
    if _BASE in variant and len(variant) > 1:
        return "%r stands with other words" % _BASE
    if variant != sorted(variant, key = _order):
        return "compilers come first in a variant, and words are sorted"
    return ""

def _split(word):
    """Parts an os from its version where they are written together: `ubuntu24.04`."""
    for system in _SYSTEMS:
        rest = word[len(system):]
        if word.startswith(system) and rest and rest[0] in _DIGITS and not rest.lstrip(_DIGITS + "."):
            return [system, rest]
    return [word]

def _words(text):
    """The words of a name that may be written in many ways."""
    text = text.strip().lower()
    kept = "".join([text[at] if text[at] in _LETTERS + _DIGITS + "." else " " for at in range(len(text))])
    words = [word for word in kept.split(" ") if word.strip(".")]
    if words and words[-1] == "tar":
        words = words[:-1]
    joined = []
    for written in words:
        for part in _split(written):
            word = ".".join([piece for piece in part.split(".") if piece])
            if joined and joined[-1] in _FAMILIES and word[0] in _DIGITS:
                joined[-1] = joined[-1] + word
            else:
                joined.append(word)
    return joined

def nearest_image_name(text):
    """Finds the valid name that is nearest to what somebody wrote.

    Args:
        text: string.

    Returns:
        string, empty if no project, os or version is to be found in it.
    """
    if not image_name_error(text):
        return text
    words = _words(text)
    versions = _versions(words)
    if len(versions) != 1 or versions[0] < 2:
        return ""
    place = versions[0]
    rest = []
    for word in words[place + 1:]:
        word = word if _is_compiler(word) else word.replace(".", "")
        if word != _BASE and word not in rest:
            rest.append(word)
    head = [word.replace(".", "") for word in words[:place]]
    name = "-".join(head + [words[place]] + sorted(rest or [_BASE], key = _order))
    return "" if image_name_error(name) else name

def check_image_name(name, *, what):
    """Fails unless `name` is the name of a stored image.

    Args:
        name: string.
        what: string, names target and attribute in the failure.
    """
    error = image_name_error(name)
    if error:
        nearest = nearest_image_name(name)
        fix = "Did you mean %r?" % nearest if nearest else "A name is %s." % _PATTERN
        fail("%s: %r is not the name of an image: %s. %s" % (what, name, error, fix))
