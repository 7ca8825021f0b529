"""Where this machine gets Debian from, when Bazel fetches a package.

The same rules as tools/lading/debian/sources.py: LADING_DEBIAN_MIRROR, else what apt is set up
with. No mirror is named in the project, and none ends up in a lock file of Bazel's.
"""

_SCHEMES = ["http://", "https://", "file:/"]
_SUFFIXES = ["", "-updates", "-security", "-backports", "-proposed-updates", "/updates"]
_SECURITY_SUFFIXES = ["-security", "/updates"]
_OFF = ["no", "false", "without", "off", "disable"]

def find_mirrors(rctx):
    """The mirrors of this machine.

    Args:
        rctx: repository_ctx or module_ctx.

    Returns:
        struct(debian, security): lists of base addresses without a trailing slash, in the order
        in which to try them; empty where none is known.
    """
    named = _addresses(rctx.getenv("LADING_DEBIAN_MIRROR") or "")
    security = _addresses(rctx.getenv("LADING_DEBIAN_SECURITY_MIRROR") or "")
    if named:
        return struct(debian = named, security = security or [mirror + "-security" for mirror in named])
    entries = []
    for path in _apt_files(rctx):
        parse = parse_deb822 if path.basename.endswith(".sources") else parse_one_line
        entries += parse(rctx.read(path, watch = "no"))
    debian = [uri for uri, suite in entries if not _is_security(suite)]
    found = [uri for uri, suite in entries if _is_security(suite)]
    return struct(debian = _distinct(debian), security = security or _distinct(found))

def parse_one_line(text):
    """The entries of a `sources.list` (sources.list(5)) that may be Debian's.

    Args:
        text: string, the file.

    Returns:
        list of (address, suite).
    """
    found = []
    for line in text.split("\n"):
        line = line.partition("#")[0]
        if "[" in line and "]" in line:
            line = line[:line.index("[")] + " " + line[line.index("]") + 1:]
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        if len(words) > 3 and words[0] == "deb":
            found += _entries([words[1]], [words[2]], words[3:])
    return found

def parse_deb822(text):
    """The entries of a `.sources` file (sources.list(5)) that may be Debian's.

    Args:
        text: string, the file.

    Returns:
        list of (address, suite).
    """
    found = []
    for fields in _stanzas(text):
        if "deb" not in _words(fields.get("types", "")):
            continue
        if fields.get("enabled", "yes").lower() in _OFF:
            continue
        found += _entries(
            _words(fields.get("uris", "")),
            _words(fields.get("suites", "")),
            _words(fields.get("components", "")),
        )
    return found

def _entries(uris, suites, components):
    # Another vendor's archive that slips through costs a request that answers 404.
    if "main" not in components:
        return []
    return [
        (uri.rstrip("/"), suite.rstrip("/"))
        for uri in uris
        if any([uri.startswith(scheme) for scheme in _SCHEMES])
        for suite in suites
        if _is_suite(suite.rstrip("/"))
    ]

def _is_suite(suite):
    for suffix in _SUFFIXES:
        if suite.endswith(suffix):
            name = suite[:len(suite) - len(suffix)]
            if name and all([character.islower() for character in name.elems()]):
                return True
    return False

def _is_security(suite):
    return any([suite.endswith(suffix) for suffix in _SECURITY_SUFFIXES])

def _stanzas(text):
    stanzas = []
    fields = {}
    name = ""
    for line in text.split("\n") + [""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                stanzas.append(fields)
            fields = {}
        elif line[0] in " \t":
            if name in fields:
                fields[name] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return stanzas

def _apt_files(rctx):
    folder = rctx.path("/etc/apt")
    files = [folder.get_child("sources.list")]
    parts = folder.get_child("sources.list.d")
    if parts.exists:
        files += sorted(parts.readdir(watch = "no"), key = lambda path: path.basename)
    return [
        path
        for path in files
        if path.exists and (path.basename.endswith(".list") or path.basename.endswith(".sources"))
    ]

def _addresses(value):
    return _distinct([word.rstrip("/") for word in _words(value)])

def _words(value):
    return [word for word in value.replace("\t", " ").split(" ") if word]

def _distinct(values):
    return {value: None for value in values}.keys()
