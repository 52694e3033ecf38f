"""What a responder asks next: use cases on ports."""
