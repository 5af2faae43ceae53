"""The program of the child process that tries a `tokenizer.json`. It imports nothing of releasegate.

`tokenizers.py` runs it as a file, in an isolated interpreter. On standard input: one line of JSON with the texts and the
limits, and behind it the file. On standard output, as one line of JSON: `["tried", what came back of each text]` or
`["raised", text]`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from types import TracebackType

from tokenizers import Tokenizer


def main() -> None:
    """Answers the one request on standard input."""
    sys.excepthook = tell
    request = json.loads(sys.stdin.buffer.readline())
    restrict(request["memory"], request["seconds"])
    tokenizer = Tokenizer.from_str(sys.stdin.buffer.read().decode("utf-8"))
    encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in request["texts"]]
    tokenizer.encode(request["texts"][0])  # with what it puts around a text, too
    say(["tried", [tokenizer.decode(ids, skip_special_tokens=True) for ids in encoded]])


def restrict(memory: int, seconds: int) -> None:
    """Limits this process to so many bytes beyond those in use, and to seconds of processor time; no files."""
    if os.path.exists("/proc/self/statm"):  # the limit is one of Linux
        with open("/proc/self/statm") as file:
            data = int(file.read().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (data + memory, data + memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def say(answer: list[object]) -> None:
    """Writes the answer."""
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def tell(kind: type[BaseException], raised: BaseException, _: TracebackType | None) -> None:
    """Says on standard output what was raised."""
    say(["raised", str(raised).strip()[:1000] or kind.__name__])


if __name__ == "__main__":
    main()
