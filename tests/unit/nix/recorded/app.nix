let
  sh = name: text: builtins.derivation {
    inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" text ];
    PATH = "/usr/bin:/bin";
  };
  lib = sh "lib-1" "mkdir -p $out/lib; echo library > $out/lib/lib.so; ln -s lib.so $out/lib/lib.so.1; mkdir $out/empty";
  data = builtins.toFile "config.txt" "hello from a file\n";
  app = sh "app-1" "mkdir -p $out/bin; printf '#!/bin/sh\ncat ${lib}/lib/lib.so ${data}\n' > $out/bin/app; chmod +x $out/bin/app; echo self $out > $out/self";
in { inherit lib app; }
