"""The records job: from the items of a source to shards, receipts and a manifest."""
