"""file_metadata(): what `default_metadata` and `file_metadata` take."""

def file_metadata(mode = None, uid = None, gid = None, uname = None, gname = None, mtime = None, pax_records = None):
    """Describes ownership, permissions and time of entries in a layer.

    Args:
        mode: string of octal digits, such as `"0644"`.
        uid: int, 0 or more.
        gid: int, 0 or more.
        uname: string, owner's name.
        gname: string, group's name.
        mtime: int, seconds since 1970-01-01 UTC; or string, that or RFC 3339: `"2024-02-29T12:00:00Z"`.
        pax_records: dict of strings, extra PAX records such as `SCHILY.xattr.user.key`.

    Returns:
        string of JSON; what is not given keeps its default.
    """
    if mode != None:
        if type(mode) != "string" or not mode or mode.strip("01234567"):
            fail("file_metadata: mode %r is not a string of octal digits such as \"0644\"." % (mode,))
    if type(mtime) != "string":
        _check_number("mtime", mtime)
    _check_number("gid", gid)
    _check_number("uid", uid)
    values = {
        "gid": gid,
        "gname": gname,
        "mode": mode,
        "mtime": mtime,
        "pax_records": pax_records,
        "uid": uid,
        "uname": uname,
    }
    return json.encode({name: value for name, value in values.items() if value != None})

def _check_number(name, value):
    if value != None and (type(value) != "int" or value < 0):
        fail("file_metadata: %s %r is not a number of 0 or more." % (name, value))
