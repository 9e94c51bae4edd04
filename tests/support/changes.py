"""What may be wrong with an object: each of its fields in turn left out, emptied, too long, of another type."""
import copy

TEXTS = ("", "A_b", "x" * 300, "a b", "../x", "1", "-1", "a.b/c", "UPPER", "é", "x" * 64, "/a", "0")
NUMBERS = (0, -1, 1, 2**31 - 1, 2**31, 2**63 - 1, 70000, "x", "50%")


def walk(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from walk(item, path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def changed(value, path, *new):
    """A copy with another value there, or without one."""
    value = copy.deepcopy(value)
    holder = at(value, path[:-1])
    if new:
        holder[path[-1]] = new[0]
    else:
        del holder[path[-1]]
    return value


def alternatives(value):
    """What else might stand there, each with its name."""
    if isinstance(value, str):
        return [(t[:8], t) for t in TEXTS] + [("int", 5)]
    if isinstance(value, bool):
        return [("not", not value), ("str", "x")]
    if isinstance(value, (int, float)):
        return [(str(n), n) for n in NUMBERS]
    if value is None:
        return []
    if isinstance(value, list):
        more = [("dup", value + copy.deepcopy(value[:1]))] if value else []
        return more + [("[]", []), ("{}", {}), ("[null]", [None]), ("[{}]", [{}] if isinstance(value[0], dict) else [])]
    return [("{}", {}), ("[]", []), ("unknown", dict(value, zzUnknown=1))]


def changes(obj):
    yield "as it is", obj
    for path in walk(obj):
        if not path or path[0] in ("apiVersion", "kind"):
            continue
        name = ".".join(map(str, path))
        yield name + ".-", changed(obj, path)
        if not isinstance(path[-1], int):
            yield name + ".null", changed(obj, path, None)
        for how, value in alternatives(at(obj, path)):
            yield f"{name}.{how}", changed(obj, path, value)
