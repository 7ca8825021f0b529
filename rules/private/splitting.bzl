"""How the runfiles of a program are divided among layers: interpreter, third party, first party."""

load(":runfiles.bzl", "repository_of")

# Programs that run programs. The repository that has one in a `bin` directory is an interpreter's, with its
# standard library: it changes with a toolchain, which is less often than anything else does.
_INTERPRETERS = ["java", "lua", "node", "perl", "php", "pypy3", "python", "python3", "ruby"]

def is_interpreter(file):
    """Whether a file is the program of an interpreter.

    Args:
        file: File.

    Returns:
        bool.
    """
    path = file.short_path
    name = path.split("/")[-1]
    return "/bin/" in path and (name in _INTERPRETERS or name.startswith("python3."))

def split_runfiles(files, most, weigh):
    """Divides what other repositories bring into at most `most` groups of files.

    Interpreters come first, for the lowest layer. Of the others the repositories that weigh most
    have a group each, as far as there is room, and the rest has one together.

    Args:
        files: list of File.
        most: int, how many groups there may be; none are made for 0.
        weigh: function of a list of File to int.

    Returns:
        list of lists of File. Those of the main repository are in none.
    """
    repositories = {}
    interpreters = {}
    for file in files if most > 0 else []:
        name = repository_of(file)
        if name:
            repositories.setdefault(name, []).append(file)
            if is_interpreter(file):
                interpreters[name] = None
    groups = []
    if interpreters and most > 1 and len(interpreters) < len(repositories):
        groups.append([file for name in sorted(interpreters) for file in repositories.pop(name)])
        most -= 1
    weights = {name: weigh(listed) for name, listed in repositories.items()}
    names = sorted(repositories, key = lambda name: (-weights[name], name))
    alone = names[:most - 1 if len(names) > most else most]
    groups += [repositories[name] for name in alone]
    joined = [file for name in sorted(names[len(alone):]) for file in repositories[name]]
    return groups + ([joined] if joined else [])
