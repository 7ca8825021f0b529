"""Which atoms several programs share a layer for; the plan behind `layer_plan`.

The rule is that of tools/lading/layer/sharing.py, which plans where sizes and references are known: an
atom is never split; atoms of the same programs are one layer; within the budget nothing is in two
layers, and what room is left divides the largest atoms from the rest; sizes count as powers of two;
ties are broken by name. Over the budget that joins layers, which takes a search; here the sets of
programs that save least give up their layer, and each program keeps those atoms in its own.
tests/unit/layer/test_sharing_agrees.py runs both on the same atoms. For that this file keeps to what is
Python as well.
"""

def magnitude(size):
    """The next power of two: what grows by a few percent changes no plan.

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

def plan_layers(atoms, room):
    """Places atoms in layers.

    Args:
        atoms: list of dicts: `name`, a string that no other has; `size`, an int; `users`, a sorted list of
            numbers of programs, two and more.
        room: list of ints, how many layers each program may get.

    Returns:
        list of dicts: `users`, and `names`, a sorted list of the names of atoms; the most shared first.
    """
    sets = {}
    for atom in sorted(atoms, key = lambda atom: atom["name"]):
        sets.setdefault(tuple(atom["users"]), []).append(atom)
    left = list(room)
    layers = []
    for layer in sorted([_layer(list(users), members) for users, members in sets.items()], key = _worth):
        if all([left[user] > 0 for user in layer["users"]]):
            layers.append(layer)
            for user in layer["users"]:
                left[user] -= 1
    _divide(layers, left)
    return [
        {"names": [atom["name"] for atom in layer["atoms"]], "users": layer["users"]}
        for layer in sorted(layers, key = lambda layer: (-len(layer["users"]), layer["atoms"][0]["name"]))
    ]

def _layer(users, atoms):
    return {"atoms": atoms, "users": users}

def _worth(layer):
    size = _sum([atom["size"] for atom in layer["atoms"]])
    return (-(len(layer["users"]) - 1) * magnitude(size), layer["atoms"][0]["name"])

def _sum(numbers):
    # Starlark has no sum().
    total = 0
    for number in numbers:
        total += number
    return total

def _divide(layers, left):
    """Gives the largest atoms layers of their own, as long as there is room."""
    candidates = []
    for place, layer in enumerate(layers):
        for atom in layer["atoms"]:
            candidates.append((-magnitude(atom["size"]) * len(layer["users"]), atom["name"], place))
    for _, name, place in sorted(candidates):
        layer = layers[place]
        if len(layer["atoms"]) < 2 or not all([left[user] > 0 for user in layer["users"]]):
            continue
        alone = [atom for atom in layer["atoms"] if atom["name"] == name]
        layers[place] = _layer(layer["users"], [atom for atom in layer["atoms"] if atom["name"] != name])
        layers.append(_layer(layer["users"], alone))
        for user in layer["users"]:
            left[user] -= 1
