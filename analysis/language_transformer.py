"""A small causal transformer on the words that a run of a text learned, for comparison. Needs torch.

    pip install '.[transformer]'
    python analysis/language_transformer.py ptb-small --out transformer-small.json

Streams, vocabulary, order of presentations and evaluation are those of the protocol, and every token of the
validation and test texts is foretold once, as it is by a circuit. A token sees those before it in its own
presentation only: no state is carried from one to the next.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from neuro_mpc import NeuroMPCError, load_circuit, load_protocol, stimuli
from neuro_mpc.stimuli import Stimuli

SIZES = {"width": 64, "heads": 2, "layers": 2}
CLIP = 1.0  # largest norm of the gradient
WARM_UP = 50  # updates


class CausalTransformer(nn.Module):
    """Embedded tokens and positions, layers of masked self-attention, tied or untied output."""

    def __init__(
        self, words: int, steps: int, width: int, heads: int, layers: int, dropout: float = 0.0, tied: bool = False
    ):
        super().__init__()
        self.token, self.position = nn.Embedding(words, width), nn.Embedding(steps, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.output, self.dropout = nn.Linear(width, words), nn.Dropout(dropout)
        nn.init.normal_(self.token.weight, std=width**-0.5)
        nn.init.normal_(self.position.weight, std=width**-0.5)
        if tied:
            self.output.weight = self.token.weight
        mask = nn.Transformer.generate_square_subsequent_mask(steps)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (trial, step, word) of the token after each of these (trial, step)."""
        steps = tokens.shape[1]
        embedded = self.token(tokens) * self.token.embedding_dim**0.5 + self.position.weight[:steps]
        return self.output(self.layers(self.dropout(embedded), self.mask[:steps, :steps], is_causal=True))


def shown(text: Stimuli, split: str, presentation: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and those after them, (trial, step); −1 where there is none."""
    trials = presentation * text.streams + np.arange(text.streams)
    return tuple(torch.from_numpy(each.T.astype(np.int64)) for each in text.batch(split, trials))


def loss_of(
    model: CausalTransformer, tokens: torch.Tensor, after: torch.Tensor, reduction: str = "mean"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy over the steps that have a target, and how many of them are foretold."""
    there = after >= 0
    logits = model(tokens.clamp(min=0))[there]
    return (
        nn.functional.cross_entropy(logits, after[there], reduction=reduction),
        (logits.argmax(1) == after[there]).sum(),
    )


@torch.no_grad()
def evaluate(model: CausalTransformer, text: Stimuli, split: str) -> dict[str, float]:
    """Perplexity and accuracy over all tokens of a split, each counted once."""
    model.eval()
    total, hits, count = 0.0, 0, 0
    for presentation in range(text.size(split) // text.streams):
        tokens, after = shown(text, split, presentation)
        loss, right = loss_of(model, tokens, after, "sum")
        total, hits, count = total + float(loss), hits + int(right), count + int((after >= 0).sum())
    model.train()
    return {"perplexity": float(np.exp(total / count)), "accuracy": hits / count, "tokens": count}


def learn(model: CausalTransformer, text: Stimuli, epochs: int, rate: float, decay: float) -> dict:
    """AdamW, warmed up, then along a cosine; ends with the parameters of the best validation."""
    updates = text.size("train") // text.streams
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
    course = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: _course(k, epochs * updates))
    found = {"epoch": [], "perplexity": [], "epoch_updates": updates, "kept": 0}
    best = model.state_dict()
    for epoch in range(1, epochs + 1):
        for presentation in range(updates):
            optimizer.zero_grad()
            loss_of(model, *shown(text, "train", presentation))[0].backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            course.step()
        found["epoch"].append(epoch)
        found["perplexity"].append(evaluate(model, text, "validation")["perplexity"])
        print(f"epoch {epoch}: validation perplexity {found['perplexity'][-1]:.1f}", flush=True)
        if found["perplexity"][-1] <= min(found["perplexity"]):
            best, found["kept"] = copy.deepcopy(model.state_dict()), epoch * updates
    model.load_state_dict(best)
    return found


def _course(update: int, total: int) -> float:
    """Factor of the rate."""
    return min(1.0, (update + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * update / max(total, 1)))


def compare(arguments: argparse.Namespace) -> dict:
    """Everything that is written about the transformer."""
    protocol = load_protocol(arguments.protocol, {"data_dir": arguments.data_dir} if arguments.data_dir else {})
    text = stimuli.load(protocol, load_circuit("pc-language"), arguments.seed)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    sizes = {name: getattr(arguments, name) for name in SIZES}
    model = CausalTransformer(text.width, text.steps, **sizes, dropout=arguments.dropout, tied=arguments.tied)
    clock = time.process_time()
    found = learn(model, text, arguments.epochs, arguments.rate, arguments.decay)
    seconds = time.process_time() - clock
    evaluated = {split: evaluate(model, text, split) for split in ("validation", "test")}
    return {
        **vars(arguments),
        **found,
        **evaluated,
        "parameters": sum(each.numel() for each in model.parameters()),
        "processor_seconds": seconds,
        "torch": torch.__version__,
        "stimulus": protocol.tables()["stimulus"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocol", help="of a text, such as ptb-small")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="what it reaches, as JSON")
    parser.add_argument("--data-dir", metavar="FOLDER", help="of the text; $NEURO_MPC_DATA, if not given")
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in {"epochs": 10, "seed": 0, "threads": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in {"rate": 0.002, "decay": 0.01, "dropout": 0.1}.items():
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--tied", action="store_true", help="output weights are those of the embedding")
    arguments = parser.parse_args()
    try:
        arguments.out.write_text(json.dumps(compare(arguments), default=str, indent=1), encoding="utf-8")
    except (NeuroMPCError, OSError) as problem:
        parser.exit(2, f"{parser.prog}: {problem}\n")


if __name__ == "__main__":
    main()
