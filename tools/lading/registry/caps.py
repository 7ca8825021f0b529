"""How much of an answer is read at most, whatever the server goes on sending."""

__all__ = ["MAX_ERROR_BYTES", "MAX_TOKEN_BYTES"]

#: Largest answer of a token server that is read, in bytes.
MAX_TOKEN_BYTES = 1024 * 1024
#: Largest error answer that is read, in bytes.
MAX_ERROR_BYTES = 64 * 1024
