#!/usr/bin/env node
// In place of node-gyp, which npm looks for when it starts and calls for add-ons without a binary.
console.error("node-gyp is not in this image: compile add-ons where there are a compiler, Python and headers");
process.exit(1);
