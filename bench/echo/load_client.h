#pragma once

#include <netinet/in.h>

#include <barrier>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <deque>
#include <string_view>
#include <vector>

#include "support/histogram.h"

namespace bench {

// What one thread of the load generator saw. Requests count in the window in which they end.
struct LoadResult {
  Histogram latency_ns;
  std::vector<std::uint64_t> requests_by_connection;
  std::uint64_t lost = 0;       // requests whose answer had not come 5 s after the window's end
  std::uint64_t broken = 0;     // connections that failed or that the server closed
  std::uint64_t corrupted = 0;  // answers that differ from what was sent
  std::int64_t window_ns = 0;
  std::int64_t server_cpu_ns = 0;
};

// What is common to all threads.
struct LoadPlan {
  sockaddr_in server{};
  std::size_t size = 0;
  std::int64_t warmup_ns = 0;
  std::int64_t window_ns = 0;
};

// One thread's share of the connections: one epoll loop, one outstanding request a connection.
class LoadClient {
 public:
  // `first_id` makes the contents of this client's connections differ from every other client's.
  // With `measures_cpu`, the clock `server_cpu` is read as the window opens and closes.
  LoadClient(const LoadPlan& plan, std::uint64_t first_id, int connections, bool measures_cpu,
             clockid_t server_cpu);
  ~LoadClient();
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;

  // Connects, waits at `all_connected` for the other clients, sends until the window is over, and
  // waits for the answers that are still due.
  LoadResult run(std::barrier<>& all_connected);

 private:
  enum class State { kIdle, kWaiting, kClosed };
  enum class Phase { kConnect, kWarmup, kWindow, kDrain };

  struct Connection {
    int fd = -1;
    State state = State::kIdle;
    std::uint64_t id = 0;
    std::uint64_t request = 0;
    std::int64_t started_ns = 0;
    std::uint64_t answered = 0;  // in the window
    std::size_t sent = 0;
    std::size_t received = 0;
    std::vector<std::byte> out;
    std::vector<std::byte> in;  // one byte longer than an answer, so that a surplus shows
  };

  void connect_in_waves();
  void open(Connection& connection);
  void wait_for_events(std::int64_t until_ns);
  void on_event(Connection& connection, std::uint32_t events);
  void start_request(Connection& connection, std::int64_t now_ns);
  bool send_rest(Connection& connection);
  void receive(Connection& connection);
  void finish_request(Connection& connection);
  void give_up(Connection& connection, std::string_view why);
  std::int64_t server_cpu_now() const;

  const LoadPlan& plan_;
  const bool measures_cpu_;
  const clockid_t server_cpu_;
  int epoll_ = -1;
  Phase phase_ = Phase::kConnect;
  std::size_t outstanding_ = 0;
  std::size_t alive_ = 0;
  std::deque<Connection> connections_;
  LoadResult result_;
};

}  // namespace bench
