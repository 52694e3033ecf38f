"""The Celery workers: thin tasks around the use cases."""
