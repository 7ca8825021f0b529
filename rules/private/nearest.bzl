"""nearest: what somebody who wrote a name wrong may have meant."""

def nearest(word, choices):
    """The choice that the fewest changes of a letter make of `word`.

    Args:
        word: string.
        choices: list of strings.

    Returns:
        string; empty if every choice differs from `word` in half of its letters or more.
    """
    found = ""
    fewest = (len(word) + 1) // 2 + 1
    for choice in choices:
        changes = _changes(word.lower(), choice)
        if changes < fewest:
            found, fewest = choice, changes
    return found

def _changes(left, right):
    """Levenshtein's distance, row by row."""
    row = list(range(len(right) + 1))
    for at, letter in enumerate(left.elems()):
        above, row = row, [at + 1]
        for place, other in enumerate(right.elems()):
            row.append(min(above[place + 1] + 1, row[place] + 1, above[place] + (letter != other and 1 or 0)))
    return row[-1]
