"""OCI distribution client: reference → credentials → authentication → transport → pull and push."""
