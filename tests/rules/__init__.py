"""Examples of alert rules: records that they must find, and that they must not."""
