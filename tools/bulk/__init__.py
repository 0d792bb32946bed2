"""Photos classified in bulk, shard by shard, on many processes and machines: docs/bulk.md."""
