# Derivations that need no network: a shell makes them. `base` stands for a C library, `lib` for what
# programs share; sizes are such that they are worth layers of their own. The shell that Nix builds with is
# linked statically, so a copy of it is all that the programs need to run.
{ system ? builtins.currentSystem }:
let
  make = name: script: builtins.derivation {
    inherit name system;
    builder = "/bin/sh";
    args = [ "-euc" script ];
    PATH = "/usr/bin";
  };
  base = make "base-2.40" ''
    mkdir -p $out/bin $out/lib $out/empty
    cp /bin/sh $out/bin/sh
    seq 1 300000 > $out/lib/base
    ln -s base $out/lib/base.so
    ln -s /nowhere $out/dangling
  '';
  lib = make "lib-1.0" ''
    mkdir -p $out/lib
    seq 1 200000 > $out/lib/lib
    printf '#!/bin/sh\ncat ${base}/lib/base\n' > $out/lib/run
    chmod +x $out/lib/run
    touch "$out/lib/a name with spaces, ü"
  '';
  program = name: text: make name ''
    mkdir -p $out/bin
    printf '#!${base}/bin/sh\nread line < ${builtins.toFile "config.txt" "of a file\n"}\nread number < ${lib}/lib/lib\necho "%s, $line, $number"\n' '${text}' > $out/bin/${name}
    chmod +x $out/bin/${name}
    echo $out > $out/self
  '';
in {
  server = program "server" (builtins.readFile ./text);
  worker = program "worker" "the worker";
}
