"""In place of the library's module of this name, which the runtime's client needs as well."""

kwlist = ["class", "def"]
softkwlist = []
iskeyword = frozenset(kwlist).__contains__
issoftkeyword = frozenset(softkwlist).__contains__
whose = "its own"
