"""A/B studies of vLLM servers whose differences can be believed."""

__version__ = "0.1.0"
