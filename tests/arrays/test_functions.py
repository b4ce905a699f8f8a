"""Array functions that treat a CUDA device differently, here with tensors of the CPU."""

import torch

from seqcli.arrays import functions


def test_numbers_of_a_device_are_read_at_once(monkeypatch):
    monkeypatch.setattr(functions, "is_on_gpu", torch.is_tensor)
    losses = [torch.tensor(0.1), torch.tensor(2.5), torch.tensor(float("nan"))]
    *read, last = functions.to_floats(losses)
    assert read == [float(losses[0]), 2.5]
    assert last != last
    assert functions.to_floats([0.1, torch.tensor(2.5)]) == [0.1, 2.5]
    assert functions.to_floats([]) == []
