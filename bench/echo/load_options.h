#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

struct LoadOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  int connections = 1;
  int idle = 0;  // connections besides, which are served one request each and then say nothing
  int threads = 1;
  double duration_s = 5;
  double warmup_s = 1;
  double rate = 0;   // requests due a second on each connection; 0: closed loop
  double burns = 0;  // a second and connection that tell the server to burn CPU; of all requests
  std::size_t size = 64;  // bytes of a request, and of its answer
  pid_t server = 0;       // the process whose CPU time to report; 0: none
  bool json = false;
};

// Prints what is wrong and ends the process with status 2 if the command line is not understood.
LoadOptions parse_load_options(int argc, char** argv);

}  // namespace bench
