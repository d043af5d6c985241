#pragma once

// Programs that a test starts to have somebody to talk to. Each has a free port and a folder of its
// own, and ends with the test.

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "support/lacking.h"

namespace porting {

/// What ./dev has unpacked without installing it: folders that hold a `usr`. The first is "", for
/// what is installed.
std::vector<std::string> roots();

/// Where the program is: in one of the folders, below one of the roots, or in PATH. "" if nowhere.
std::string find_server(const std::string& name, const std::vector<std::string>& folders);

/// A port of the loopback that nobody had a moment ago.
int free_port();

/// Whether somebody listens there.
bool listens(int port);

using support::lacking;

/// From now on this process goes before the servers that it starts where they need the same cores,
/// as if they were on a machine of their own. False: that is not allowed, and it shares with them.
bool go_before_servers();

/// It ends with the thread that has made it, so that is to be the program's first.
class Server {
 public:
  struct Start {
    std::string program;
    std::vector<std::string> arguments;  ///< the name that it is called by is the first
    std::string log;                     ///< what it says goes there
    std::string user;                    ///< who runs it, "" for the caller
  };

  /// `end_signal` is what it is asked to end by.
  Server(const Start& start, int end_signal);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Waits until it listens. False: it has ended, or takes too long.
  bool is_up(int port);
  /// The same, for servers that listen before they serve.
  bool is_up(const std::function<bool()>& answers);
  pid_t pid() const { return pid_; }
  /// Ends it by a signal, and waits.
  void end(int signal);
  /// The last lines that it has said.
  std::string last_words() const;

 private:
  bool has_ended();

  const std::string log_;
  const int end_signal_;
  pid_t pid_ = -1;
};

/// Runs a program to its end. Its exit code, or -1.
int run_to_end(const Server::Start& start);

/// Starts a server that may find its port taken: `start(port)` makes one.
template <class MakeServer>
auto start_on_free_port(MakeServer make) {
  for (int attempt = 1;; ++attempt) {
    const int port = free_port();
    auto server = make(port);
    if (server->is_up(port) || attempt == 3) return server;
  }
}

}  // namespace porting
