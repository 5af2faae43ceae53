"""Becomes another program, after setting what it may use. Run as a file: BYTES SECONDS PROGRAM ARGUMENTS...

`command_process.py` starts it in an isolated interpreter: between fork and exec of a process with torch's threads nothing may
be set, so it is set here.
"""

import os
import resource
import sys


def main() -> None:
    size, seconds, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for limit, value in (
        (resource.RLIMIT_FSIZE, size),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (value, value) if hard == resource.RLIM_INFINITY else (min(value, hard), hard))
    try:
        os.execve(program, sys.argv[3:], os.environ)
    except OSError as error:
        sys.exit(f"{program}: {error.strerror}")


if __name__ == "__main__":
    main()
