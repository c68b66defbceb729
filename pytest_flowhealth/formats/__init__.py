"""What a report looks like elsewhere, one file a format."""
