"""The quick start of a model card: what to install, and lines that load the folder that went out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from releasegate.plan import Plan
from releasegate.subjects import SUBJECTS

CHAMELEON = """\
import torch
from PIL import Image
from transformers import AutoProcessor, ChameleonForConditionalGeneration

folder = "."
model = ChameleonForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
processor = AutoProcessor.from_pretrained(folder)
picture = Image.new("RGB", (256, 256))  # yours: Image.open("picture.png").convert("RGB")
inputs = processor(images=picture, text="What is this?<image>", return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens=8, do_sample=False)
print(processor.batch_decode(answer[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True)[0])
"""

CAUSAL = """\
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."
model = AutoModelForCausalLM.from_pretrained(folder{file}, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(folder{file})
{adapter}inputs = tokenizer("Once upon a time", return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens=32, do_sample=False)
print(tokenizer.decode(answer[0], skip_special_tokens=True))
"""

ADAPTER = """\
from peft import PeftModel

model = PeftModel.from_pretrained(model, "adapter").eval()
"""

OWN = """\
from importlib import import_module
from pathlib import Path

import torch
from releasegate.checkpoint import open_checkpoint
from releasegate.subjects import SUBJECTS, Decoding, Utterance

checkpoint = open_checkpoint(Path("."))
loader = import_module(SUBJECTS["{subject}"].module)
model = loader.open_subject(checkpoint, None, torch.device("cpu"), torch.float32)
{use}"""

TEXT = """\
(answer,) = model.generate(["def main("], [0], Decoding(max_tokens=16))
print(answer.text)
"""

WATERMARK = """\
audio = 0.1 * torch.randn(1, model.rate)  # yours: one channel, from -1 to 1
marked = model.mark(audio, torch.zeros(1, model.bits, dtype=torch.int64))
print("score before:", model.detect(audio).score.item(), "after:", model.detect(marked).score.item())
"""

VOICE = """\
prompt = 0.1 * torch.randn(5 * model.rate)  # yours: the voice, one channel, from -1 to 1
said = Utterance("Hello.", 0.1 * torch.randn(2 * model.rate), "en")  # yours: somebody else who says the words
(clone,) = model.clone([said], [prompt], [0])
print(clone.shape)
"""

USES = {"mtp-lm": TEXT, "audioseal": WATERMARK, "perth": WATERMARK, "mini_voice": VOICE, "xtts": VOICE}
"""What the lines do with the model, by subject. All that come with releasegate and load weights have some."""

NO_LIBRARY = (
    "No library that is widely used loads this layout, `{layout}`: these lines load it with the code that the gate measured "
    "it with. What the object can do stands in `releasegate.subjects`: {interfaces}."
)
NO_LOADER = (
    "No published loader of this layout, `{layout}`, is known: the gate measured the model with code of the laboratory's own, "
    "the subject `{subject}`."
)


@dataclass(frozen=True)
class QuickStart:
    """How the model is loaded.

    Attributes:
        library: as a model hub names it; None where no library loads the layout.
        task: the hub's name of what the model does; None where it has none.
        install: packages that the lines need.
        code: Python, to be run in the folder; None where no published code loads the layout.
        note: a sentence that goes with it.
    """

    library: str | None
    task: str | None
    install: tuple[str, ...] = ()
    code: str | None = None
    note: str | None = None


_TASKS = {
    "chameleon": "image-text-to-text",
    "causal-lm": "text-generation",
    "mtp-lm": "text-generation",
    "mini_voice": "audio-to-audio",
    "xtts": "text-to-speech",
}


def quick_start(plan: Plan, names: Sequence[str]) -> QuickStart:
    """How the model of a plan is loaded.

    Args:
        names: of the model's files.
    """
    subject, layout = plan.policy.model.subject, plan.model.layout
    task = _TASKS.get(subject)
    kind = SUBJECTS.get(subject)
    if subject == "chameleon" and layout == "chameleon-hf":
        return QuickStart("transformers", task, ("transformers", "torch", "torchvision", "pillow"), CHAMELEON)
    if subject == "causal-lm":
        return _causal(layout, task, names)
    use = USES.get(subject)
    if kind is None or use is None:
        return QuickStart(None, task, note=NO_LOADER.format(layout=layout, subject=subject))
    note = NO_LIBRARY.format(layout=layout, interfaces=", ".join(f"`{name}`" for name in sorted(kind.provides)))
    return QuickStart(None, task, ("releasegate",), OWN.format(subject=subject, use=use), note)


def _causal(layout: str, task: str | None, names: Sequence[str]) -> QuickStart:
    packages = ("transformers", "torch")
    if layout.endswith("-gguf"):
        (file,) = [name for name in names if name.lower().endswith(".gguf") and "/" not in name]
        return QuickStart(
            "transformers", task, (*packages, "gguf"), CAUSAL.format(file=f", gguf_file={file!r}", adapter="")
        )
    if layout.endswith("-lora"):
        return QuickStart("peft", task, (*packages, "peft"), CAUSAL.format(file="", adapter=ADAPTER))
    return QuickStart("transformers", task, packages, CAUSAL.format(file="", adapter=""))
