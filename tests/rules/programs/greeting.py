"""What to say."""

TEXT = "hello"
