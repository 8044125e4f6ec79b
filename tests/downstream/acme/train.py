"""Train a small net on an Acme card."""

import dovetail

dovetail.manual_seed(0)
x = dovetail.randn(64, 2, device="acme")
target = (x[:, :1] - x[:, 1:]).abs()
hidden = (0.5 * dovetail.randn(2, 16, device="acme")).requires_grad_()
output = (0.5 * dovetail.randn(16, 1, device="acme")).requires_grad_()

for step in range(201):
    loss = (((x @ hidden).relu() @ output - target) ** 2).mean()
    loss.backward()
    with dovetail.no_grad():
        for weight in (hidden, output):
            weight -= 0.05 * weight.grad
            weight.grad = None
    if step % 50 == 0:
        print(f"step {step:3d}  loss {loss.item():.4f}  on {loss.device}")
