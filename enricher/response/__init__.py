"""What a responder asks: who, what, from where; on ports, so that it touches no machine."""
