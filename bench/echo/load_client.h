#pragma once

#include <netinet/in.h>

#include <barrier>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <deque>
#include <string_view>
#include <vector>

#include "arrivals.h"
#include "support/histogram.h"

namespace bench {

// What one thread of the load generator saw. In the closed loop the latencies are those of the
// requests that were answered in the window, from when they were sent; in the open loop those of
// the requests that were due in the window, from when they were due, whenever they could be sent.
struct LoadResult {
  Histogram latency_ns;  // those that do not burn
  Histogram burn_latency_ns;
  Histogram late_ns;  // from due to sent, where the connection was free: the generator's own delay
  std::vector<std::uint64_t> requests_by_connection;  // answered in the window
  std::uint64_t lost = 0;       // requests whose answer had not come 5 s after the window's end
  std::uint64_t broken = 0;     // connections that failed or that the server closed
  std::uint64_t corrupted = 0;  // answers that differ from what was sent
  std::uint64_t unburnt = 0;    // answers that came before the CPU can have been burnt
  std::int64_t window_ns = 0;
  std::int64_t server_cpu_ns = 0;
};

// What is common to all threads.
struct LoadPlan {
  sockaddr_in server{};
  std::size_t size = 0;
  std::int64_t warmup_ns = 0;
  std::int64_t window_ns = 0;
  std::int64_t period_ns = 0;       // of the open loop, on each connection; 0: closed loop
  std::int64_t burn_period_ns = 0;  // between requests that burn, on each connection; 0: none do
};

// One thread's share of the connections: one epoll loop, one outstanding request a connection. In
// the open loop, a request that is due while another is outstanding is sent when that is answered.
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
    std::int64_t due_ns = 0;   // of the outstanding request; in the closed loop, when it was sent
    std::uint64_t behind = 0;  // requests that are due after it already
    std::int64_t next_burn_ns = Arrivals::kNever;
    bool burns = false;
    std::uint64_t answered = 0;  // in the window
    std::size_t sent = 0;
    std::size_t received = 0;
    std::vector<std::byte> out;
    std::vector<std::byte> in;  // one byte longer than an answer, so that a surplus shows
  };

  void connect_in_waves();
  void open(Connection& connection);
  void begin_loop(std::int64_t now_ns);
  void run_until(std::int64_t end_ns);
  void take_arrivals(std::int64_t now_ns, std::int64_t end_ns);
  void wait_for_events(std::int64_t until_ns);
  void on_event(Connection& connection, std::uint32_t events);
  void start_request(Connection& connection, std::int64_t due_ns);
  bool send_rest(Connection& connection);
  void receive(Connection& connection);
  void finish_request(Connection& connection);
  void record(Connection& connection, std::int64_t now_ns);
  void start_next(Connection& connection, std::int64_t now_ns);
  void give_up(Connection& connection, std::string_view why);
  std::int64_t server_cpu_now() const;

  const LoadPlan& plan_;
  const bool measures_cpu_;
  const clockid_t server_cpu_;
  int epoll_ = -1;
  Phase phase_ = Phase::kConnect;
  Arrivals arrivals_;  // none in the closed loop
  std::int64_t opened_ns_ = Arrivals::kNever;
  std::int64_t closing_ns_ = Arrivals::kNever;
  std::size_t outstanding_ = 0;
  std::size_t alive_ = 0;
  std::deque<Connection> connections_;
  LoadResult result_;
};

}  // namespace bench
