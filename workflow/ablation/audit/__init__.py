"""What a published A/B table can and cannot support, from the table alone: no study, no server."""
