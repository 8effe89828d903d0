"""Power, energy, clocks, throttling and memory of the devices that a server uses, sampled beside it.

reading   one sample, what a reader is, the names of throttle reasons
devices   which GPUs a server uses
nvml, nvidia_smi, amd, rapl   one reader each; their libraries are optional
probe     tries the ways in order and says which one was taken, and why not the others
file      telemetry.parquet, schema ablation.telemetry/1
sampler   the process that samples (python -m ablation.telemetry)
watch     the session's side: starts and ends that process
energy    energy and power of a stretch of time, from the samples
"""
