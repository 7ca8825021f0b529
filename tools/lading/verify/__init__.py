"""Verification of whole images: in a registry, a layout or an archive. Nothing is extracted."""
