"""An ordinary AWS Lambda function in Python: it greets, and says what it runs on."""

import platform

# What stands here runs once per environment, in the init phase.
VERSION = platform.python_version()


def lambda_handler(event, context):
    """Runs once per invocation."""
    name = event.get("name", "world")
    print(f"greeting {name}")  # goes to the function's log
    return {
        "message": f"Hello, {name}! This is Python {VERSION}.",
        "function": context.function_name,
        "memory_mb": int(context.memory_limit_in_mb),
    }
