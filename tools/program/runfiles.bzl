"""Where files are among runfiles."""

def runfiles_path(file, workspace_name):
    """The path of `file` below a runfiles directory.

    Args:
        file: File.
        workspace_name: string, `ctx.workspace_name`.

    Returns:
        string: `repository/path`.
    """
    if file.short_path.startswith("../"):
        return file.short_path[3:]
    return workspace_name + "/" + file.short_path
