"""Tests of where log files come from: listings, notifications, queues."""
