"""How much files weigh that are not built yet: by their number, or by sizes measured earlier."""

load(":labels.bzl", "label_text")
load(":runfiles.bzl", "repository_of")
load(":sharing_plan.bzl", "magnitude")

SIZES_ATTR = attr.string_dict(doc = """Repository to the mean size of its runfiles in bytes, as the output group `sizes` of a
`layer_plan` has it; the main repository is the empty name.""")

def measurer(ctx):
    """A function that says how large a list of files is.

    Args:
        ctx: the context of a rule with SIZES_ATTR as `sizes`.

    Returns:
        function of a list of File to int. Without sizes every file is as large as any other.
    """
    sizes = {}
    for name, size in ctx.attr.sizes.items():
        if not size.isdigit():
            fail("%s, sizes[%r]: %r is not a number of bytes." % (label_text(ctx.label), name, size))
        sizes[name] = int(size)

    def measure(files):
        total = 0
        for file in files:
            total += sizes.get(repository_of(file), 1)
        return total

    return measure

def weigher(ctx):
    """A function that says how much a list of files weighs, as a power of two.

    Args:
        ctx: the context of a rule with SIZES_ATTR as `sizes`.

    Returns:
        function of a list of File to int.
    """
    measure = measurer(ctx)
    return lambda files: magnitude(measure(files))
