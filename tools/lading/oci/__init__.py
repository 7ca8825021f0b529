"""OCI nouns as pure data: digests, descriptors, references, documents. No network, no clock."""
