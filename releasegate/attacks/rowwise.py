"""Work that some library does on one clip at a time, spread over threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Samples = NDArray[np.float32]
"""float32 [t], one clip."""


def each_row(work: Callable[[Samples], Samples], audio: Tensor) -> Tensor:
    """float32 [n, t'], what `work` makes of each row of `audio` [n, t], in their order and on their device.

    As many threads as torch uses, so that whoever leaves a core free leaves it free here too. That is of use where the
    library lets go of Python's lock: libav, libsndfile and WORLD do.

    Args:
        work: from one clip to another; all of one length, whatever the clip. It must not depend on other rows.
    """
    rows = audio.detach().to("cpu", torch.float32).numpy()
    with ThreadPoolExecutor(max(1, min(len(rows), torch.get_num_threads()))) as pool:
        done = list(pool.map(work, rows))
    return torch.from_numpy(np.stack(done).astype(np.float32)).to(audio.device)  # [n, t']
