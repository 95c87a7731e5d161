"""Cannot be imported."""

import a_module_that_is_not_there


def handler(event, context):
    return a_module_that_is_not_there
