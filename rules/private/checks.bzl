"""Values of an image config, checked in the analysis phase.

tools/lading/oci/execution.py checks the same once more, also what comes from files; here a mistake
shows before anything is built. A template is left alone: its value is not known yet.
"""

_DIGITS = "0123456789"
_MAX_ID = 2147483647

def check_ports(ports, *, what):
    """Fails unless every one of `ports` is `NUMBER[/PROTOCOL]`.

    Args:
        ports: list of strings.
        what: string, names target and attribute in the failure.
    """
    for port in ports:
        number, _, protocol = port.partition("/")
        valid = _is_number(number) and len(number) <= 5 and 1 <= int(number) and int(number) <= 65535
        if not valid or (protocol not in ("tcp", "udp", "sctp") if "/" in port else False):
            fail("%s: %r is not a port. Write a number from 1 to 65535, with /tcp, /udp or /sctp: 8080/tcp." % (what, port))

def check_user(user, *, what):
    """Fails unless `user` is empty, `user`, `uid`, or either with `:group`.

    Args:
        user: string.
        what: string, names target and attribute in the failure.
    """
    words = user.split(":")
    bad = len(words) > 2 or (user and "" in words) or user.strip() != user or " " in user
    if not bad:
        bad = any([_is_number(word) and (len(word) > 10 or int(word) > _MAX_ID) for word in words])
    if bad:
        fail("%s: %r is not a user. Write user, uid, user:group or uid:gid; ids go up to %d." % (what, user, _MAX_ID))

def check_env(env, *, what):
    """Fails unless every key of `env` can be the name of a variable.

    Args:
        env: dict of string to string.
        what: string, names target and attribute in the failure.
    """
    for name in env:
        if not name or "=" in name or " " in name or "\t" in name or "\n" in name:
            fail("%s: %r is not the name of an environment variable. Use letters, digits and _." % (what, name))

def check_keys(values, *, what):
    """Fails unless every key of `values` can name a label or an annotation.

    Args:
        values: dict of string to string.
        what: string, names target and attribute in the failure.
    """
    for key in values:
        if not key or "\n" in key or "\t" in key:
            fail("%s: %r is not a name. Use a name such as org.opencontainers.image.title." % (what, key))

def check_directories(paths, os, *, what):
    """Fails unless every one of `paths` is an absolute path; Windows has its own.

    Args:
        paths: list of strings.
        os: string, GOOS of the image.
        what: string, names target and attribute in the failure.
    """
    for path in paths:
        if os != "windows" and (not path.startswith("/") or ".." in path.split("/")):
            fail("%s: %r is not an absolute path in the image. Write a path that starts with / and has no '..'." % (what, path))

def check_signal(signal, *, what):
    """Fails unless `signal` is empty, `SIG...` or a number from 1 to 64.

    Args:
        signal: string.
        what: string, names target and attribute in the failure.
    """
    if not signal or (signal.startswith("SIG") and len(signal) > 3):
        return
    if not (_is_number(signal) and len(signal) <= 2 and 1 <= int(signal) and int(signal) <= 64):
        fail("%s: %r is not a signal. Write a name, SIGTERM or SIGRTMIN+3, or a number from 1 to 64." % (what, signal))

def _is_number(text):
    return bool(text) and all([character in _DIGITS for character in text.elems()])
