"""Record what happened, build the report once, and pass it to the sinks."""
