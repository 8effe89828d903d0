"""What a GPU could do at most: output tokens per second from memory bandwidth and from arithmetic.

traffic   what a decode step reads, from config.json
bound     from what is read to tokens per second
launch    the same for a run, from what its launch recorded
"""
