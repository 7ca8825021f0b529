"""Lading's dashboard: the images of a store, as pages and as JSON. Reads only, never writes."""
