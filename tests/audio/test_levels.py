import torch

from releasegate.audio.levels import fitted


def test_a_clip_over_full_scale_is_turned_down_alone_and_as_a_whole():
    audio = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[3.0], [0.1], [0.0]])
    out = fitted(audio)
    assert out[0].abs().max() == 1
    assert torch.allclose(out[0] * audio[0].abs().max(), audio[0], atol=1e-5)
    assert torch.equal(out[1:], audio[1:])
