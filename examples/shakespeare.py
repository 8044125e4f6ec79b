"""Learn to write text letter by letter: a small transformer on the characters of a file, or of Dovetail's own pages.

python examples/shakespeare.py
python examples/shakespeare.py tinyshakespeare.txt --steps 2000
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import dovetail
import dovetail.nn.functional as F
from dovetail import nn, optim
from dovetail.data import CharTokenizer, DataLoader, TextDataset

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))


class Writer(nn.Module):
    """One transformer block: each character looks at those before it."""

    def __init__(self, vocab_size: int, block_size: int, width: int = 64):
        super().__init__()
        self.block_size = block_size
        self.characters = nn.Embedding(vocab_size, width)
        self.places = nn.Embedding(block_size, width)
        self.before = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)
        )
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocab_size))

    def forward(self, tokens):
        length = tokens.shape[1]
        x = self.characters(tokens) + self.places(dovetail.arange(length))
        y = self.before(x)
        scores = self.query(y) @ self.key(y).transpose(1, 2) / y.shape[-1] ** 0.5
        later = dovetail.ones(length, length, dtype=dovetail.bool).triu(1)
        x = x + scores.masked_fill(later, float("-inf")).softmax(-1) @ self.value(y)
        return self.out(x + self.think(x))


def loss_of(net: Writer, batch: list) -> dovetail.Tensor:
    x, y = batch
    return F.cross_entropy(net(x).flatten(0, 1), y.flatten())


def train(net: Writer, part: TextDataset, steps: int) -> None:
    optimizer = optim.AdamW(net.parameters(), lr=3e-3)
    batches = DataLoader(part, batch_size=32, shuffle=True)
    for batch in islice((batch for _ in range(steps) for batch in batches), steps):
        optimizer.zero_grad()
        loss_of(net, batch).backward()
        optimizer.step()


def bits_per_character(net: Writer, part: TextDataset) -> float:
    with dovetail.no_grad():
        losses = [loss_of(net, batch).item() for batch in islice(DataLoader(part, batch_size=64), 20)]
    return sum(losses) / len(losses) / 0.6931


def baseline(train_part: TextDataset, validation: TextDataset, vocab_size: int) -> float:
    """Bits per character for one who knows only how frequent each character is."""
    counts = dovetail.bincount(train_part.tokens, minlength=vocab_size).float() + 1
    return -(counts / counts.sum()).log2()[validation.tokens].mean().item()


def write(net: Writer, tokenizer: CharTokenizer, begin: str, count: int) -> str:
    tokens = dovetail.tensor([tokenizer.encode(begin)])
    with dovetail.no_grad():
        for _ in range(count):
            chances = (net(tokens[:, -net.block_size :])[0, -1] / 0.7).softmax(0)
            tokens = dovetail.cat([tokens, dovetail.multinomial(chances, 1).reshape(1, 1)], 1)
    return tokenizer.decode(tokens)


def main() -> None:
    description, example = __doc__.split("\n\n")
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"examples:\n{example.rstrip()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, nargs="?", help="a text in UTF-8 (default: the pages in docs)")
    parser.add_argument("--steps", type=int, default=400, help="batches to learn from (default: %(default)s)")
    parser.add_argument("--block", type=int, default=64, help="characters that it sees (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another one, another run (default: %(default)s)")
    options = parser.parse_args()

    begin = time.perf_counter()
    text = "".join(page.read_text(encoding="utf-8") for page in ([options.file] if options.file else PAGES))
    tokenizer = CharTokenizer.train(text)
    part, validation = TextDataset(text, tokenizer, options.block, stride=1).split(validation=0.1)
    print(f"{len(text):,} characters, {tokenizer.vocab_size} different ones")

    dovetail.manual_seed(options.seed)
    net = Writer(tokenizer.vocab_size, options.block)
    train(net, part, options.steps)
    print(f"validation  {bits_per_character(net, validation):.2f} bits per character")
    print(f"baseline    {baseline(part, validation, tokenizer.vocab_size):.2f} from the characters' frequencies")
    print(f"time        {time.perf_counter() - begin:.1f} s")
    print(f"\n{write(net, tokenizer, text[: options.block // 2], 200)}")


if __name__ == "__main__":
    main()
