"""python -m ablation.telemetry SPEC_JSON: sample until the input ends."""

import sys

from ablation.telemetry.sampler import main

if __name__ == "__main__":
    main(sys.argv[1])
