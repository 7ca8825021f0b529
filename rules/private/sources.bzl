"""The contents of a layer as lines for the layer tool, made without expanding any depset.

Each line is `KIND<TAB>path in the image<TAB>file`; tools/lading/layer/sources.py reads them.
Lines are made by `map_each` functions, so they cost nothing in the analysis phase. Source files of
a package are many and much alike: after `C<TAB>prefix in the image<TAB>prefix of the file`, a line
that is nothing but `<TAB>rest` is a file with both.
"""

load("//tools/program:runfiles.bzl", "runfiles_path")
load(":labels.bzl", "label_text")
load(":paths.bzl", "package_path")

def source_line(file, destination):
    """The line that puts `file` at `destination`.

    Args:
        file: File.
        destination: string, a path made by `image_path`.

    Returns:
        string.
    """

    # File.is_symlink tells an unresolved symlink; Bazel 7 does not have it.
    if file.is_directory:
        kind = "T"
    elif getattr(file, "is_symlink", False):
        kind = "S"
    else:
        kind = "F"
    return "%s\t%s\t%s" % (kind, destination, file.path)

def add_file(args, file, destination):
    """Adds one file or directory at exactly `destination`.

    Args:
        args: Args.
        file: File.
        destination: string, a path made by `image_path`.
    """
    args.add_all([file], map_each = lambda f: source_line(f, destination), allow_closure = True, expand_directories = False)

def _add_flattened(args, files, prefix):
    args.add_all(
        files,
        map_each = lambda f: source_line(f, prefix + "/" + f.basename),
        allow_closure = True,
        expand_directories = False,
    )

def _add_package_relative(args, files, prefix, package):
    within = package + "/" if package else ""

    def line(file):
        if within and file.is_source and file.path.startswith(within) and not file.is_directory:
            return "\t" + file.short_path[len(within):]
        return source_line(file, prefix + "/" + package_path(file, package))

    args.add("C\t%s/\t%s" % (prefix, within))
    args.add_all(files, map_each = line, allow_closure = True, expand_directories = False)

def _add_runfiles(args, info, destination, workspace_name):
    prefix = destination + ".runfiles"
    runfiles = info.default_runfiles
    links = runfiles.symlinks.to_list() + runfiles.root_symlinks.to_list()
    files = runfiles.files.to_list()
    if not links and (not files or files == [info.files_to_run.executable]):
        return []

    def file_line(file):
        return source_line(file, prefix + "/" + runfiles_path(file, workspace_name))

    args.add_all(runfiles.files, map_each = file_line, allow_closure = True, expand_directories = False)
    return [runfiles.files, depset(add_runfiles_links(args, info, prefix, workspace_name))]

def add_runfiles_links(args, info, prefix, workspace_name):
    """Adds what is among the runfiles of an executable besides files: links, empty files, the repository mapping.

    Args:
        args: Args.
        info: DefaultInfo.
        prefix: string, the directory of the runfiles in the image.
        workspace_name: string.

    Returns:
        list of File: the inputs that the layer action needs.
    """
    runfiles = info.default_runfiles

    def symlink_line(entry):
        return source_line(entry.target_file, "%s/%s/%s" % (prefix, workspace_name, entry.path))

    def root_symlink_line(entry):
        return source_line(entry.target_file, "%s/%s" % (prefix, entry.path))

    def empty_line(path):
        return "E\t%s/%s" % (prefix, path[3:] if path.startswith("../") else workspace_name + "/" + path)

    args.add_all(runfiles.symlinks, map_each = symlink_line, allow_closure = True)
    args.add_all(runfiles.root_symlinks, map_each = root_symlink_line, allow_closure = True)
    args.add_all(runfiles.empty_filenames, map_each = empty_line, allow_closure = True)
    inputs = [entry.target_file for entry in runfiles.symlinks.to_list() + runfiles.root_symlinks.to_list()]
    mapping = getattr(info.files_to_run, "repo_mapping_manifest", None)
    if mapping:
        add_file(args, mapping, prefix + "/_repo_mapping")
        inputs.append(mapping)
    return inputs

def add_target(args, target, path, *, inside, layout, include_runfiles, what, workspace_name):
    """Adds the files of one target below the path that the user gave for it.

    Args:
        args: Args.
        target: Target.
        path: string, made by `image_path`.
        inside: bool, whether `path` is a directory in which files keep their own names.
        layout: string, `package_relative` or `flatten`, for a target with several files.
        include_runfiles: bool, whether an executable brings its runfiles.
        what: string, names target and attribute in failures.
        workspace_name: string.

    Returns:
        list of depset of File: the inputs that the layer action needs.
    """
    info = target[DefaultInfo]
    executable = info.files_to_run.executable

    if executable:
        destination = _join(path, executable.basename) if inside else path
        add_file(args, executable, destination)
        runfiles = _add_runfiles(args, info, destination, workspace_name) if include_runfiles else []
        return [depset([executable])] + runfiles

    # Only the count decides where files land; a target that is no executable has few outputs.
    files = info.files.to_list()
    if not files:
        fail("%s: %s has no files. Name a target that builds something." % (what, label_text(target.label)))
    if len(files) == 1:
        add_file(args, files[0], _join(path, files[0].basename) if inside else path)
    elif layout == "flatten":
        _add_flattened(args, info.files, path.rstrip("/"))
    else:
        _add_package_relative(args, info.files, path.rstrip("/"), target.label.package)
    return [info.files]

def _join(directory, name):
    return directory.rstrip("/") + "/" + name
