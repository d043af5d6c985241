// The stall workload on Asio: whichever thread is free takes the next callback.

#include "support/asio_echo.h"
#include "support/burn.h"

int main() { bench::AsioEcho(bench::burn_if_marked).run(); }
