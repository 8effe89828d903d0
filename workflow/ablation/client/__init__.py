"""The load-generating client: stamps that the kernel took, nothing decoded while it measures."""

# Counted up whenever the client changes so that it may measure otherwise: the record and the launch hold it, and
# the report says where the runs of one study were made by several. It is in no run's hash: an update must not
# throw measurements away.
#   1  stamps taken at the read
#   2  stamps of the kernel's, reads gathered for 1 ms under load
#   3  reads gathered for up to 4 ms, edge-triggered
CLIENT_VERSION = 3
