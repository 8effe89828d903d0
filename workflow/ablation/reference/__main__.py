"""`python -m ablation.reference --port 8000 --ttft-ms 50 --itl-ms 20`: serve until SIGTERM or
SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import signal
import sys

import uvloop

from ablation.reference.answers import Answers
from ablation.reference.engine import Engine
from ablation.reference.plan import FAULTS, Fault, Schedule
from ablation.reference.server import serve


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m ablation.reference",
        description="A simulated OpenAI-compatible server with a planted token schedule.",
        epilog="faults: " + "; ".join(f"{name}: {text}" for name, text in FAULTS.items()),
    )
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=8000, help="0 takes a free one and prints it")
    p.add_argument("--model", "--served-model-name", default="reference")
    p.add_argument("--ttft-ms", type=float, default=50.0)
    p.add_argument("--itl-ms", type=float, default=20.0)
    p.add_argument("--itl-per-active-us", type=float, default=0.0)
    p.add_argument("--prefill-us-per-token", type=float, default=0.0)
    p.add_argument("--jitter-ms", type=float, default=0.0, help="SD of every interval")
    p.add_argument("--tokens-per-event", type=int, default=1)
    p.add_argument("--events-per-write", type=int, default=1)
    p.add_argument("--max-num-seqs", type=int, help="requests served at once; others wait")
    p.add_argument("--slowdown", type=float, default=1.0, help="factor on every interval")
    p.add_argument(
        "--launch-sd", type=float, default=0.0, help="SD of a factor drawn anew for each launch"
    )
    p.add_argument("--logprob-noise", type=float, default=0.0, help="SD in nats, each request")
    p.add_argument("--logprob-launch", type=float, default=0.0, help="SD in nats, each launch")
    p.add_argument("--logprob-error", type=float, default=0.0, help="SD in nats, planted error")
    p.add_argument("--seed", type=int, help="of jitter and the launch's factor (default: none)")
    p.add_argument("--fault", type=Fault.parse, action="append", default=[], metavar="KIND:EVERY")
    return p


async def run(args: argparse.Namespace) -> None:
    """Serve until a signal."""
    seed = random.SystemRandom().getrandbits(63) if args.seed is None else args.seed
    launch = random.Random(seed).gauss(1.0, args.launch_sd) if args.launch_sd else 1.0
    schedule = Schedule(
        ttft_s=args.ttft_ms / 1e3,
        itl_s=args.itl_ms / 1e3,
        itl_per_active_s=args.itl_per_active_us / 1e6,
        jitter_s=args.jitter_ms / 1e3,
        prefill_s=args.prefill_us_per_token / 1e6,
        tokens_per_event=args.tokens_per_event,
        events_per_write=args.events_per_write,
        slots=args.max_num_seqs,
        slowdown=args.slowdown * launch,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    answers = Answers(args.logprob_noise, args.logprob_launch, args.logprob_error, seed)
    engine = Engine(schedule, args.fault, args.model, seed, answers)
    server = await serve(engine, args.host, args.port)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"reference server (simulated) on http://{host}:{port}", flush=True)
    print(f"schedule: {schedule}; seed {seed}; faults {args.fault}", flush=True)
    gc.freeze()
    gc.disable()  # streams are freed by their counts; a collection would be seen as lateness
    await stop.wait()
    server.close()


def main() -> None:
    """Run the command line."""
    args = parser().parse_args()
    try:
        uvloop.run(run(args))
    except OSError as error:
        sys.exit(f"cannot listen on {args.host}:{args.port}: {error}; give another --port")


if __name__ == "__main__":
    main()
