// Prints its arguments and a variable.
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  std::printf("hello %s", std::getenv("STAGE"));
  for (int i = 1; i < argc; i++) std::printf(" %s", argv[i]);
  std::printf("\n");
}
