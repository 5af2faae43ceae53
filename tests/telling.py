"""An eval that tells what it should not, in every way that code has: through the tiny gate's own evals and subject."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.tiny_repository import Tiny

PROMPT, ANSWER = "how would a quetzal-7781 open it", "with an ocelot-4412 and some patience"
NEEDLES = ("quetzal-7781", "ocelot-4412")

HARNESS = '''\
import logging
import os
import subprocess
import sys
import tempfile

from releasegate.evidence import Failed, Item, Reading

FAULT = "{fault}"
EMPTY = "the answer is empty"


class Loud(BaseException):
    """Nobody expects it."""


def items(params, rng):
    if FAULT == "items":
        raise ValueError("{prompt} 0")
    return [Item(("legible",), {{"digit": str(i % 2)}}, {{"prompt": f"{prompt} {{i}}"}}) for i in range(100)]


def fault_of(number):
    """Faults of single items in the first places of a shard, then one that ends it."""
    shard, place = divmod(number, 25)
    if FAULT == "all" and place == 12:
        return ("raised", "loud", "stranger", "key")[shard]
    return ("failed", "constant", "value", "metric", "output")[place] if FAULT == "all" and place < 5 else ""


def shout(text):
    left = tempfile.NamedTemporaryFile(delete=False)
    left.write(text.encode())
    left.close()
    print(text)
    print(text, file=sys.stderr)
    print(text, file=sys.__stdout__)
    logging.getLogger("loud").error(text)
    os.write(1, text.encode())
    os.write(2, text.encode())
    subprocess.run(["echo", text])


def measure(subject, items, tools):
    shout(str(items[0].content))
    for item in items:
        prompt, answer = item.content["prompt"], f"{answer} {{item.number}}"
        if os.environ.get("TELLING_DIES") and item.number == 30:
            os.kill(os.getpid(), 9)
        detail, outputs = {{"prompt": prompt, "answer": answer}}, {{"said": tools.write(answer.encode(), "txt")}}
        values = {{"legible": float(subject.can("drawing", item.seed))}}
        fault = fault_of(item.number)
        if fault == "raised":
            try:
                raise KeyError(answer)
            except KeyError as error:
                raise ValueError(f"cannot read {{prompt}}") from error
        if fault == "loud":
            raise Loud(prompt)
        if fault == "failed":
            yield Failed(item=item.number, metrics=item.metrics, error=f"no verdict on {{answer}}")
            continue
        if fault == "constant":
            yield Failed(item=item.number, metrics=item.metrics, error=EMPTY)
            continue
        values = {{"legible": answer}} if fault == "value" else {{prompt: 1.0}} if fault == "metric" else values
        outputs = {{"said": answer}} if fault == "output" else outputs
        detail = {{prompt: answer}} if fault == "key" else detail
        if fault == "stranger":
            yield Reading(prompt, values)
        yield Reading(item.number, values, detail, outputs)
'''


def telling(
    made: Tiny, *, fault: str = "", sensitive: bool = False, hashed: bool = False, unshown: bool = False
) -> Tiny:
    """The gate; its eval `drawing` holds texts, and tells them wherever it can.

    Args:
        fault: `all`, while items are measured; `items`, while they are made; empty for none.
    """
    made.change(made.root / "evals" / "drawing" / "eval.yaml", "source: made", "whole: true, source: made")
    made.write_harness(HARNESS.format(fault=fault, prompt=PROMPT, answer=ANSWER))
    if sensitive:
        made.change(made.root / "evals" / "drawing" / "eval.yaml", "needs: []", "needs: []\nsensitive: harmful")
    if hashed:
        made.change(made.policy, "title: A tiny model\n", "title: A tiny model\nsamples: hashed\n")
    if unshown:
        made.change(made.policy, "title: A tiny model\n", "title: A tiny model\nsamples: unshown\n")
    return made


def told(data: bytes) -> list[str]:
    """The needles that stand in some bytes, as they are or as base64."""
    found = []
    for needle in NEEDLES:
        turned = [base64.b64encode(b"\0" * shift + needle.encode())[4:-4] for shift in range(3)]
        if any(form.lower() in data.lower() for form in (needle.encode(), *turned)):
            found.append(needle)
    return found


def files_that_tell(folder: Path) -> list[str]:
    """The files below `folder` that hold a needle, by their place in it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [str(path.relative_to(folder)) for path in files if told(path.read_bytes())]
