// Connecting to a host with several addresses, as RFC 8305 has it ("happy eyeballs"): an address
// that does not answer costs a quarter of a second, not two minutes.
//
// Each attempt is a task of its own, which returns what came of it; the calling fiber alone decides
// what to start and when to stop. It leaves only when all of them have ended, and whatever they
// have opened goes with them.

#include <weft/resolve.h>
#include <weft/task.h>
#include <weft/tcp.h>
#include <weft/wait.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "io/io_error.h"
#include "sched/mask_scope.h"
#include "time/clock.h"

namespace weft {

namespace {

// The families take turns, each in the order given.
std::vector<SocketAddress> interleaved(std::span<const SocketAddress> peers) {
  std::vector<SocketAddress> first, second, all;
  for (const SocketAddress& peer : peers) {
    (peer.is_ipv6() == peers.front().is_ipv6() ? first : second).push_back(peer);
  }
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) all.push_back(first[i]);
    if (i < second.size()) all.push_back(second[i]);
  }
  return all;
}

struct Attempt {
  SocketAddress peer;
  std::optional<TcpStream> stream;
  std::error_code error = {};
};

Attempt attempt(const SocketAddress& peer) {
  try {
    return {.peer = peer, .stream = TcpStream::connect(peer)};
  } catch (const std::system_error& failure) {
    return {.peer = peer, .stream = std::nullopt, .error = failure.code()};
  }
}

class Race {
 public:
  Race(std::vector<SocketAddress> peers, std::string_view name, std::chrono::nanoseconds delay)
      : peers_(std::move(peers)), name_(name), delay_(delay) {}
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;
  // The attempts that are not needed. Their end is near, as they are cancelled, and it is waited
  // for whatever happens to the caller.
  ~Race() {
    const detail::MaskScope mask;
    for (const Task<Attempt>& task : running_) task.cancel();
    for (const Task<Attempt>& task : running_) {
      task.join();
      task.ref().mark_read();
    }
  }

  TcpStream run() {
    // Nothing to race with.
    if (peers_.size() == 1) note(attempt(peers_[next_++]));
    while (!winner_.has_value() && (next_ < peers_.size() || !running_.empty())) {
      if (next_ < peers_.size() && (running_.empty() || detail::now() >= next_start_)) start();
      take(wait_for_news());
    }
    if (winner_.has_value()) return std::move(*winner_);
    throw std::system_error(last_error_, "connect to " + name_ + " (" + failures_ + ")");
  }

 private:
  void start() {
    running_.emplace_back();  // first, or an attempt might run that nobody knows of
    try {
      running_.back() =
          spawn({.name = "connect"}, [peer = peers_[next_]] { return attempt(peer); });
    } catch (...) {
      running_.pop_back();
      throw;
    }
    ++next_;
    next_start_ = detail::deadline_after(delay_);
  }
  // What has ended, if anything has before the next attempt is due.
  std::vector<Task<Attempt>> wait_for_news() {
    auto [done, pending] = next_ == peers_.size()
                               ? wait(running_, first_completed)
                               : wait(running_, first_completed,
                                      std::chrono::nanoseconds(next_start_ - detail::now()));
    running_ = std::move(pending);
    return std::move(done);
  }
  void take(std::vector<Task<Attempt>> ended) {
    for (Task<Attempt>& task : ended) note(std::move(task).get());
  }
  void note(Attempt ended) {
    if (ended.stream.has_value()) {
      if (!winner_.has_value()) winner_ = std::move(ended.stream);
      return;
    }
    next_start_ = detail::now();  // the next need not wait
    last_error_ = ended.error;
    if (!failures_.empty()) failures_ += "; ";
    failures_ += ended.peer.to_string() + ": " + ended.error.message();
  }

  const std::vector<SocketAddress> peers_;
  const std::string name_;
  const std::chrono::nanoseconds delay_;
  std::size_t next_ = 0;
  detail::Nanos next_start_ = 0;
  std::vector<Task<Attempt>> running_;
  std::optional<TcpStream> winner_;
  std::string failures_;
  std::error_code last_error_;
};

}  // namespace

TcpStream TcpStream::connect_any(std::span<const SocketAddress> peers, std::string_view name,
                                 std::chrono::nanoseconds delay) {
  if (peers.empty()) throw std::invalid_argument("TcpStream::connect_any: no address");
  for (const SocketAddress& peer : peers) {
    if (peer.empty()) throw std::invalid_argument("TcpStream::connect_any: an address is empty");
  }
  detail::need_reactor("connect");
  return Race(interleaved(peers), name, delay).run();
}

TcpStream TcpStream::connect(std::string_view host, std::uint16_t port) {
  if (const auto numeric = SocketAddress::parse(host, port)) return connect(*numeric);
  return connect_any(resolve(host, port), std::string(host) + ':' + std::to_string(port));
}

}  // namespace weft
