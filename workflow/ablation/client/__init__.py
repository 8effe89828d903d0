"""The load-generating client: stamps at the socket read, decodes nothing while it measures."""
