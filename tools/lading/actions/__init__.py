"""Entry points of build actions: one-shot programs and persistent workers."""
