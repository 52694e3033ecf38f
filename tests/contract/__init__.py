"""One suite for each port, over the real adapter and its in-memory twin."""
