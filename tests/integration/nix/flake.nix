{
  outputs = { self }: {
    packages.x86_64-linux = import ./app.nix { system = "x86_64-linux"; };
  };
}
