#pragma once

#include <weft/tcp.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_set>

#include "exchange.h"

namespace web {

// An HTTP/1.1 server: a task for each connection, which reads a request, has it answered, and goes
// on with the next. Requests sent ahead are answered in their order.
class Server {
 public:
  // Answers one request; called by many tasks at once. What it throws is a 500, and a Refusal is
  // what it says.
  using Handler = std::function<void(Exchange&)>;
  // Told of each request that was refused, and of each connection that broke.
  using Log = std::function<void(const std::string& line)>;

  Server(Handler handler, const Limits& limits, Log log);

  // Returns after stop(), when all that had begun is answered, or the time for that is over.
  void run(weft::TcpListener& listener);
  // Takes no more connections, and ends those that wait for nothing.
  void stop(weft::TcpListener& listener);

 private:
  class Waiting;

  void serve_connection(weft::TcpStream& stream);
  bool wait_for_request(weft::TcpStream& stream, Input& input);
  bool serve_request(weft::TcpStream& stream, Input& input);
  void refuse(weft::TcpStream& stream, Exchange& exchange, const Refusal& refusal);

  const Handler handler_;
  const Limits limits_;
  const Log log_;
  std::atomic<std::size_t> connections_{0};
  std::atomic<bool> stopping_{false};
  // Held for moments and never across a wait, so a thread's mutex serves.
  std::mutex mutex_;
  std::unordered_set<weft::TcpStream*> waiting_;  // for their next request
};

}  // namespace web
