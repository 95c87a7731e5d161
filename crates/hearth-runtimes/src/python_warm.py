"""Waits with AWS's client imported until there is a function. Written by `hearth runtime add`.

The other end of descriptor 0 is Hearth's agent. It is sent one byte when the interpreter waits. It
sends the function's variables, each with a NUL behind it, and closes its direction. It is sent one
more byte if the interpreter goes on; if not, the interpreter ends and is started in the plain way.

Whatever a function can see afterwards has to be as after a plain start.
"""

import os
import sys


def wait(front):
    added = _added_by_the_interpreter()
    searched = _import_client()
    libraries = _libraries()
    missing = {place for place in _own_places(front) if not os.path.isdir(place)}
    os.write(0, b"\0")
    variables = _receive()
    # The code and the layers were not there yet when these places were looked at.
    for place in front:
        sys.path_importer_cache.pop(place, None)
    if not variables or _has_own_modules(searched, front) or _has_own_libraries(libraries, front, missing):
        os._exit(0)
    os.write(0, b"\0")
    _take_null_device()
    _take_variables(variables, added)
    os.chdir("/var/task")
    _start_clocks()
    del sys.modules[__name__]


def _added_by_the_interpreter():
    """Variables that the interpreter has set itself, such as LC_CTYPE when it coerces the locale."""
    with open("/proc/self/environ", "rb") as file:
        given = {entry.partition(b"=")[0] for entry in file.read().split(b"\0")}
    return {name: value for name, value in os.environb.items() if name not in given}


def _import_client():
    """Imports what a plain start imports, but for the client's modules that read variables.

    Returns every name that was searched for on the path, found or not.
    """
    before = set(sys.modules)
    searched = set()

    class Missing:
        @staticmethod
        def find_spec(name, path, target=None):
            if path is None:
                searched.add(name)

    sys.meta_path.append(Missing)
    import importlib, json, logging, time, traceback
    import awslambdaric.lambda_config
    import awslambdaric.lambda_context
    import awslambdaric.lambda_runtime_client
    import awslambdaric.lambda_runtime_exception
    import awslambdaric.lambda_runtime_log_utils
    import awslambdaric.lambda_runtime_marshaller

    sys.meta_path.remove(Missing)
    for name in set(sys.modules) - before:
        spec = getattr(sys.modules[name], "__spec__", None)
        # What is built in or frozen is found before the path is searched.
        if "." not in name and (spec is None or spec.has_location):
            searched.add(name)
    return searched


def _libraries():
    with open("/proc/self/maps", "rb") as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    paths = [line.rpartition("/")[2] for line in lines]
    return {name.partition(".so")[0] for name in paths if ".so" in name}


def _receive():
    parts = []
    while True:
        part = os.read(0, 65536)
        if not part:
            return b"".join(parts).split(b"\0")[:-1]
        parts.append(part)


def _has_own_modules(searched, front):
    """Whether the function or a layer brings a module in place of one that is imported already."""
    finder = next(one for one in sys.meta_path if one.__name__ == "PathFinder")
    specs = (finder.find_spec(name, front) for name in searched)
    return any(spec is not None and spec.loader is not None for spec in specs)


def _own_places(front):
    """Where the loader looks for libraries of the function and of layers."""
    places = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return [place for place in places if place.startswith((front[0], "/opt"))]


def _has_own_libraries(libraries, front, missing):
    """Whether it brings a library in place of one that is loaded already, or one that the loader
    would not find any more: it remembers which places were not there when it first looked."""
    # Directories below a library path that the loader looks into by itself.
    libraries = libraries | {"glibc-hwcaps", "tls", "haswell", "x86_64"}
    for place in _own_places(front):
        try:
            names = os.listdir(place)
        except OSError:
            continue
        if place in missing and any(".so" in name for name in names):
            return True
        if any(name.partition(".so")[0] in libraries for name in names):
            return True
    return False


def _take_null_device():
    import io

    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    # The stream knows that it stood on a socket.
    old = sys.stdin
    buffer = io.open(0, "rb", closefd=False)
    buffer.raw.name = old.name
    new = io.TextIOWrapper(buffer, old.encoding, old.errors, "\n")
    new.mode = old.mode
    sys.stdin = sys.__stdin__ = new


def _take_variables(variables, added):
    pairs = [entry.partition(b"=")[::2] for entry in variables]
    pairs += added.items()
    for name in list(os.environb):
        del os.environb[name]
    first = sys.modules["posix"].environ
    first.clear()
    for name, value in pairs:
        os.environb[name] = value
        first[name] = value


def _start_clocks():
    import logging, time

    time.tzset()
    # Records tell the time since logging was imported.
    started = logging._startTime
    logging._startTime = time.time_ns() if isinstance(started, int) else time.time()
