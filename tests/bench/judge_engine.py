"""vLLM's offline engine over prompts, in a process of its own: the peer of `judge.py`.

    python -m tests.bench.judge_engine MODEL PROMPTS FIGURES

PROMPTS: JSON with `prompts` and `choices`. FIGURES is written: prompt tokens and seconds, the start left out.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def main(model: str, path: str, figures: str) -> None:
    from vllm import LLM, SamplingParams  # type: ignore[import-not-found]  # 20 s
    from vllm.sampling_params import StructuredOutputsParams  # type: ignore[import-not-found]

    given = json.loads(Path(path).read_text())
    engine = LLM(model=model, dtype="bfloat16", max_model_len=2048, enforce_eager=True)
    outputs = StructuredOutputsParams(choice=given["choices"])
    sampling = SamplingParams(max_tokens=1, temperature=0.0, logprobs=20, structured_outputs=outputs)
    engine.generate(["A text to start with."], sampling, use_tqdm=False)
    began = time.perf_counter()
    done = engine.generate(given["prompts"], sampling, use_tqdm=False)
    seconds = time.perf_counter() - began
    tokens = sum(len(each.prompt_token_ids) for each in done)
    Path(figures).write_text(json.dumps({"prompt_tokens": tokens, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
