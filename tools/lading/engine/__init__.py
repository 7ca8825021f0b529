"""Container engines on this machine, one module each, behind one protocol (`engine.Engine`)."""
