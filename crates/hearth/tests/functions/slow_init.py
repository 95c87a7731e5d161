"""Takes longer to load than a function may, the first time."""

import os
import time

if not os.path.exists("/tmp/been-here"):
    open("/tmp/been-here", "w").close()
    time.sleep(60)


def handler(event, context):
    return "loaded"
