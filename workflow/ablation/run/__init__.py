"""From a run's raw record to its parquet: decoding, metrics, gates, schema."""
