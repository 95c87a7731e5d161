"""Starts AWS's runtime client, as the managed runtimes do. Written by `hearth runtime add`."""

import os
import site
import sys

# The order that code on AWS sees: its own files, then layers, then what the runtime brings.
_layers = "/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2]
_front = [os.environ.get("LAMBDA_TASK_ROOT", "/var/task"), _layers, "/opt/python", "/var/runtime"]
sys.path[:] = list(dict.fromkeys(_front + sys.path[1:]))

# The interpreter runs with -S, to be spared this host's site-packages. These builtins are what
# else a program would miss.
site.setquit()
site.setcopyright()
site.sethelper()

# Started ahead of need: here it waits for its function. No name of it stays behind.
if "_HEARTH_WARM" in os.environ:
    __import__("_hearth_warm").wait(_front[:3])

from awslambdaric.__main__ import main

main([__file__, os.environ["_HANDLER"]])
