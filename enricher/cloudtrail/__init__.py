"""The format: log files and their layout, records, callers, times, ARNs. Pure."""
