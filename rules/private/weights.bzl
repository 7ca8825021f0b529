"""How much files weigh that are not built yet: by their number, or by sizes measured earlier."""

load(":runfiles.bzl", "repository_of")

SIZES_ATTR = attr.string_dict(doc = """Repository to the mean size of its runfiles in bytes, as the output group `sizes` of a
`layer_plan` has it; the main repository is the empty name.""")

def weigher(ctx):
    """A function that says how much a list of files weighs, as a power of two.

    Args:
        ctx: the context of a rule with SIZES_ATTR as `sizes`.

    Returns:
        function of a list of File to int. Without sizes every file weighs the same.
    """
    sizes = {}
    for name, size in ctx.attr.sizes.items():
        if not size.isdigit():
            fail("%s, sizes[%r]: %r is not a number of bytes." % (ctx.label, name, size))
        sizes[name] = int(size)

    def weigh(files):
        weight = 0
        for file in files:
            weight += sizes.get(repository_of(file), 1)
        return magnitude(weight)

    return weigh

def magnitude(size):
    """The next power of two: a dependency that grows by a few percent changes no plan.

    Args:
        size: int.

    Returns:
        int.
    """
    result = 1
    for _ in range(63):
        if result > size:
            break
        result *= 2
    return result
