// The echo workload on Asio.

#include "support/asio_echo.h"

int main() {
  bench::AsioEcho([](const char*) {}).run();
}
