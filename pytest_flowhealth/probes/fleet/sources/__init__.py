"""What fills a snapshot, one file a source: `read()` returns a `Snapshot`, or raises."""
