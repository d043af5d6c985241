#include "load_client.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "scramble.h"
#include "support/burn.h"
#include "support/check.h"
#include "support/clock.h"

namespace bench {
namespace {

// A wave is opened only after every connection of the last one was answered once, hence accepted:
// the server's listen queue never holds more than this many.
constexpr std::size_t kWave = 64;
constexpr std::int64_t kWaveLimitNs = 10'000'000'000;
constexpr std::int64_t kDrainLimitNs = 5'000'000'000;
constexpr int kReportedFailures = 5;
// The server burns by another clock, which may be a little faster.
constexpr std::int64_t kLeastBurnNs = kBurnNs / 100 * 99;

void fill(std::vector<std::byte>& bytes, std::uint64_t connection, std::uint64_t request) {
  std::uint64_t word = scramble(connection << 40 ^ request);
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(word)) {
    std::memcpy(bytes.data() + at, &word, std::min(sizeof(word), bytes.size() - at));
    word = scramble(word);
  }
}

// Keeps the mark to those that burn, and there to the first byte.
void mark(std::vector<std::byte>& bytes, bool burns) {
  constexpr std::byte kMark{kBurnMark};
  std::replace(bytes.begin(), bytes.end(), kMark, ~kMark);
  if (burns) bytes.front() = kMark;
}

}  // namespace

LoadClient::LoadClient(const LoadPlan& plan, std::uint64_t first_id, int connections,
                       bool measures_cpu, clockid_t server_cpu)
    : plan_(plan), measures_cpu_(measures_cpu), server_cpu_(server_cpu) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  check(epoll_ >= 0, "epoll_create1");
  for (int i = 0; i < connections; ++i) {
    Connection& connection = connections_.emplace_back();
    connection.id = first_id + static_cast<std::uint64_t>(i);
    connection.out.resize(plan.size);
    connection.in.resize(plan.size + 1);
  }
}

LoadClient::~LoadClient() {
  for (Connection& connection : connections_) {
    if (connection.fd >= 0) close(connection.fd);
  }
  close(epoll_);
}

LoadResult LoadClient::run(std::barrier<>& all_connected) {
  connect_in_waves();
  all_connected.arrive_and_wait();

  phase_ = Phase::kWarmup;
  const std::int64_t began = monotonic_ns();
  begin_loop(began);
  run_until(began + plan_.warmup_ns);

  phase_ = Phase::kWindow;
  opened_ns_ = monotonic_ns();
  closing_ns_ = opened_ns_ + plan_.window_ns;
  const std::int64_t cpu_before = server_cpu_now();
  run_until(closing_ns_);
  result_.server_cpu_ns = server_cpu_now() - cpu_before;
  std::int64_t now = monotonic_ns();
  result_.window_ns = now - opened_ns_;

  phase_ = Phase::kDrain;
  const std::int64_t limit = now + kDrainLimitNs;
  for (; now < limit && outstanding_ > 0; now = monotonic_ns()) wait_for_events(limit);
  result_.lost = outstanding_;
  for (const Connection& connection : connections_) {
    result_.lost += connection.behind;
    result_.requests_by_connection.push_back(connection.answered);
  }
  return std::move(result_);
}

void LoadClient::connect_in_waves() {
  std::size_t opened = 0;
  while (opened < connections_.size()) {
    const std::size_t wave_end = std::min(opened + kWave, connections_.size());
    for (; opened < wave_end; ++opened) open(connections_[opened]);
    const std::int64_t limit = monotonic_ns() + kWaveLimitNs;
    while (outstanding_ > 0 && monotonic_ns() < limit) wait_for_events(limit);
    for (std::size_t i = 0; i < opened; ++i) {
      if (connections_[i].state == State::kWaiting) give_up(connections_[i], "no first answer");
    }
  }
}

void LoadClient::open(Connection& connection) {
  connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  check(connection.fd >= 0, "socket (is the limit of open files too low?)");
  ++alive_;
  const int on = 1;
  setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const auto* address = reinterpret_cast<const sockaddr*>(&plan_.server);
  if (connect(connection.fd, address, sizeof(plan_.server)) != 0 && errno != EINPROGRESS) {
    return give_up(connection, std::strerror(errno));
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.ptr = &connection;
  check(epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) == 0, "epoll_ctl");
  start_request(connection, monotonic_ns());
}

void LoadClient::begin_loop(std::int64_t now_ns) {
  if (plan_.burn_period_ns > 0) {
    for (Connection& connection : connections_) {
      // Another number than the id's own: in the open loop all would burn with their first request.
      const std::int64_t phase = Arrivals::phase_ns(~connection.id, plan_.burn_period_ns);
      connection.next_burn_ns = now_ns + phase;
    }
  }
  if (plan_.period_ns > 0) {
    const std::uint64_t first_id = connections_.front().id;
    arrivals_ = Arrivals(first_id, connections_.size(), now_ns, plan_.period_ns);
    return;
  }
  for (Connection& connection : connections_) {
    if (connection.state == State::kIdle) start_request(connection, monotonic_ns());
  }
}

void LoadClient::run_until(std::int64_t end_ns) {
  for (std::int64_t now = monotonic_ns(); now < end_ns && alive_ > 0; now = monotonic_ns()) {
    take_arrivals(now, end_ns);
    wait_for_events(std::min(end_ns, arrivals_.next_ns()));
  }
  take_arrivals(end_ns, end_ns);  // those that were due in the last wait
}

void LoadClient::take_arrivals(std::int64_t now_ns, std::int64_t end_ns) {
  while (arrivals_.next_ns() <= now_ns && arrivals_.next_ns() < end_ns) {
    const Arrivals::Arrival arrival = arrivals_.take();
    Connection& connection = connections_[arrival.connection];
    if (connection.state == State::kClosed) continue;
    if (connection.state == State::kWaiting) {
      ++connection.behind;
      continue;
    }
    if (arrival.due_ns >= opened_ns_) result_.late_ns.record(monotonic_ns() - arrival.due_ns);
    start_request(connection, arrival.due_ns);
  }
}

void LoadClient::wait_for_events(std::int64_t until_ns) {
  std::array<epoll_event, 512> events;
  const std::int64_t left_ns = std::max<std::int64_t>(until_ns - monotonic_ns(), 0);
  int count = 0;
  if (plan_.period_ns > 0) {
    const timespec left{.tv_sec = left_ns / 1'000'000'000, .tv_nsec = left_ns % 1'000'000'000};
    count = epoll_pwait2(epoll_, events.data(), events.size(), &left, nullptr);
    check(count >= 0 || errno == EINTR, "epoll_pwait2 (the open loop needs Linux 5.11)");
  } else {
    const int left_ms = static_cast<int>((left_ns + 999'999) / 1'000'000);
    count = epoll_wait(epoll_, events.data(), events.size(), left_ms);
    check(count >= 0 || errno == EINTR, "epoll_wait");
  }
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    on_event(*static_cast<Connection*>(event.data.ptr), event.events);
  }
}

void LoadClient::on_event(Connection& connection, std::uint32_t events) {
  if (connection.state == State::kClosed) return;
  if (!send_rest(connection)) return;
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) receive(connection);
}

void LoadClient::start_request(Connection& connection, std::int64_t due_ns) {
  ++connection.request;
  fill(connection.out, connection.id, connection.request);
  connection.burns = due_ns >= connection.next_burn_ns;
  if (connection.burns) {
    // One that was missed altogether is not made up for, or a server that is too slow would burn
    // all the time.
    const std::int64_t missed = (due_ns - connection.next_burn_ns) / plan_.burn_period_ns;
    connection.next_burn_ns += (missed + 1) * plan_.burn_period_ns;
  }
  if (plan_.burn_period_ns > 0) mark(connection.out, connection.burns);
  connection.sent = 0;
  connection.received = 0;
  connection.state = State::kWaiting;
  connection.due_ns = due_ns;
  ++outstanding_;
  send_rest(connection);
}

// False if the connection is closed. A full socket (or one still connecting) reports EPOLLOUT
// later.
bool LoadClient::send_rest(Connection& connection) {
  while (connection.state == State::kWaiting && connection.sent < connection.out.size()) {
    const ssize_t put = send(connection.fd, connection.out.data() + connection.sent,
                             connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (put >= 0) {
      connection.sent += static_cast<std::size_t>(put);
    } else if (errno == EAGAIN) {
      return true;
    } else if (errno != EINTR) {
      give_up(connection, std::strerror(errno));
    }
  }
  return connection.state != State::kClosed;
}

// A read that got less than it asked for has emptied the socket, so the next edge reports what
// comes later. The one that must not be followed by another is the read that completed an answer.
void LoadClient::receive(Connection& connection) {
  const ssize_t got = recv(connection.fd, connection.in.data() + connection.received,
                           connection.in.size() - connection.received, 0);
  if (got == 0) return give_up(connection, "the server closed the connection");
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) give_up(connection, std::strerror(errno));
    return;
  }
  connection.received += static_cast<std::size_t>(got);
  if (connection.state != State::kWaiting || connection.received > connection.out.size()) {
    ++result_.corrupted;
    return give_up(connection, "more came back than was sent");
  }
  if (connection.received == connection.out.size()) finish_request(connection);
}

void LoadClient::finish_request(Connection& connection) {
  const std::int64_t now = monotonic_ns();
  connection.state = State::kIdle;
  --outstanding_;
  if (std::memcmp(connection.in.data(), connection.out.data(), connection.out.size()) != 0) {
    ++result_.corrupted;
    return give_up(connection, "the answer differs from the request");
  }
  if (phase_ == Phase::kWindow) ++connection.answered;
  record(connection, now);
  start_next(connection, now);
}

void LoadClient::record(Connection& connection, std::int64_t now_ns) {
  const std::int64_t latency = now_ns - connection.due_ns;
  if (connection.burns && latency < kLeastBurnNs) ++result_.unburnt;
  const bool counts = plan_.period_ns > 0
                          ? connection.due_ns >= opened_ns_ && connection.due_ns < closing_ns_
                          : phase_ == Phase::kWindow;
  if (counts) (connection.burns ? result_.burn_latency_ns : result_.latency_ns).record(latency);
}

void LoadClient::start_next(Connection& connection, std::int64_t now_ns) {
  if (plan_.period_ns == 0) {
    if (phase_ == Phase::kWarmup || phase_ == Phase::kWindow) start_request(connection, now_ns);
  } else if (connection.behind > 0) {
    --connection.behind;
    start_request(connection, connection.due_ns + plan_.period_ns);
  }
}

void LoadClient::give_up(Connection& connection, std::string_view why) {
  if (result_.broken++ < kReportedFailures) {
    std::fprintf(stderr, "echo-load: connection %llu, request %llu: %.*s\n",
                 static_cast<unsigned long long>(connection.id),
                 static_cast<unsigned long long>(connection.request), static_cast<int>(why.size()),
                 why.data());
  }
  if (connection.state == State::kWaiting) --outstanding_;
  connection.state = State::kClosed;
  close(connection.fd);
  connection.fd = -1;
  --alive_;
}

std::int64_t LoadClient::server_cpu_now() const {
  return measures_cpu_ ? read_clock_ns(server_cpu_) : 0;
}

}  // namespace bench
