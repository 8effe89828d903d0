"""A small OpenAI-compatible server with planted truth: the instrument that clients are tested with."""
