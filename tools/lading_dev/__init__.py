"""What developers of lading run: linters, and the regeneration of locks."""
