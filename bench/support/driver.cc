// Prints the reactor's driver that weft chooses on this machine, for the header of the results.

#include <weft/weft.h>

#include <cstdio>

int main() {
  weft::run([] { std::printf("{\"driver\": \"%s\"}\n", weft::metrics().driver); });
}
