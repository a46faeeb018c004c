"""PyTorch: a Sequential, called as it is, scripted, traced, frozen or compiled."""

import torch
from torch import nn

from benchmarks.beside.frameworks.asked import options, serve


def main() -> None:
    given = options(["eager", "script", "trace", "frozen", "compile"])
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    layers = []
    for fan_in, fan_out in zip(given.sizes, given.sizes[1:]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1]).eval()
    x = torch.randn(given.batch, given.sizes[0])
    with torch.inference_mode():
        if given.mode == "script":
            model = torch.jit.script(model)
        elif given.mode == "trace":
            model = torch.jit.trace(model, x)
        elif given.mode == "frozen":
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(model)))
        elif given.mode == "compile":
            model = torch.compile(model, fullgraph=True, dynamic=False)
        serve(lambda: model(x))


main()
