"""`@lading//images:store -- VERB`: the image store from the command line, one module a group."""
