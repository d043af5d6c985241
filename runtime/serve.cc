// A server: accepts in the calling fiber, and runs each connection in a fiber of its own.
//
// The calling fiber alone touches the list of tasks. Connections only count themselves out, and
// wake the caller if it waits for that: for room under the limit, or for descriptors. It may wait
// for the end of the listener at the same time, hence wait_for_close().

#include <weft/error.h>
#include <weft/serve.h>
#include <weft/task.h>
#include <weft/timeout.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "base/spinlock.h"
#include "io/io_error.h"
#include "io/listener_state.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestPause{5};
constexpr milliseconds kLongestPause{1000};
// A want of resources has passed when for so long nothing has failed for it. Much longer than the
// longest pause: while it lasts, connections that end let others in.
constexpr Nanos kCalm = 5'000'000'000;
constexpr std::size_t kLeastKeptTasks = 64;

bool is_want_of_resources(const std::error_code& code) noexcept {
  return code == std::errc::too_many_files_open ||
         code == std::errc::too_many_files_open_in_system || code == std::errc::no_buffer_space ||
         code == std::errc::not_enough_memory;
}

// One that another call has been told of, or nobody, is not connected any more.
bool is_broken_off(const std::error_code& code) noexcept {
  return code == std::errc::connection_reset || code == std::errc::broken_pipe ||
         code == std::errc::connection_aborted || code == std::errc::not_connected;
}

void print_error(const ServeError& error) noexcept {
  const char* const stage =
      error.stage == ServeError::Stage::kAccept ? "cannot take connections on" : "connection from";
  const auto print = [&](const char* what) {
    std::fprintf(stderr, "weft: %s %s: %s\n", stage, error.name.c_str(), what);
  };
  try {
    std::rethrow_exception(error.error);
  } catch (const std::system_error& failure) {
    if (!is_broken_off(failure.code())) print(failure.what());
  } catch (const std::exception& failure) {
    print(failure.what());
  } catch (...) {
    print("an exception that is no std::exception");
  }
}

class Server {
 public:
  Server(ListenerState& listener, ConnectionHandler handler, const ServeOptions& options)
      : listener_(listener), handler_(handler), options_(options) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void run();

 private:
  // A connection's place under the limit, from before its task is made until its callable is
  // destroyed, run or not.
  class Place {
   public:
    explicit Place(Server& server) noexcept : server_(&server) { server.take_place(); }
    Place(Place&& other) noexcept : server_(std::exchange(other.server_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (server_ != nullptr) server_->give_place_back(served_);
    }
    Server& begin() noexcept {
      served_ = true;
      return *server_;
    }

   private:
    Server* server_;
    bool served_ = false;
  };

  void take_place() noexcept;
  void give_place_back(bool served) noexcept;
  bool starved() noexcept;
  bool wait_for_room();
  void pause(std::uint64_t departures);
  bool wait_for_departure();  // under lock_, which it releases

  void accept_until_closed();
  void tell_of_want(const std::exception_ptr& error) noexcept;
  void open_acceptor();
  std::exception_ptr accept_one();
  bool is_listening() const noexcept { return listener_.descriptor.is_open(); }
  void admit(std::unique_ptr<StreamState> connection);
  void serve_one(std::unique_ptr<StreamState> connection) const;
  void report(ServeError::Stage stage, const SocketAddress& address,
              std::exception_ptr error) const noexcept;
  bool drain();
  bool join_all();

  ListenerState& listener_;
  const ConnectionHandler handler_;
  const ServeOptions& options_;

  Spinlock lock_;
  std::size_t connections_ = 0;   // under lock_
  std::uint64_t departures_ = 0;  // under lock_; how many have ended
  bool starved_ = false;          // under lock_; one has ended unserved, for want of memory
  WakeToken waiter_;              // under lock_; who waits for the next to end
  // By the calling fiber.
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<Task<void>> tasks_;  // ended ones are dropped now and then
  std::size_t tidy_at_ = kLeastKeptTasks;
  milliseconds pause_ = kShortestPause;
  Nanos last_want_ = -kCalm;  // when resources were last found wanting
};

// ---- Places.

void Server::take_place() noexcept {
  std::lock_guard lock(lock_);
  ++connections_;
}

void Server::give_place_back(bool served) noexcept {
  WakeToken waiter;
  {
    std::lock_guard lock(lock_);
    --connections_;
    if (served) {
      ++departures_;
    } else {
      starved_ = true;
    }
    waiter = std::exchange(waiter_, {});
  }
  if (waiter.fiber != nullptr) wake(waiter);
}

bool Server::starved() noexcept {
  std::lock_guard lock(lock_);
  return starved_;
}

// False when the listener has been closed.
bool Server::wait_for_departure() {
  const FdOperation operation(listener_.descriptor);
  if (!operation) {
    lock_.unlock();
    return false;
  }
  waiter_ = current_token(WaitsFor::kTasks);
  switch (operation.entry().wait_for_close(operation.generation(), lock_, waiter_)) {
    case Wake::kNormal:
      return true;
    case Wake::kClosed:
      return false;
    default:
      throw Cancelled();
  }
}

bool Server::wait_for_room() {
  for (;;) {
    lock_.lock();
    if (connections_ < options_.max_connections) {
      lock_.unlock();
      return is_listening();
    }
    if (!wait_for_departure()) return false;
  }
}

// Until a connection ends that was there when `departures` had ended, or for a while.
void Server::pause(std::uint64_t departures) {
  if (acceptor_ != nullptr) acceptor_->rest();
  try {
    timeout(pause_, [&] {
      lock_.lock();
      starved_ = false;
      if (departures_ != departures) {
        lock_.unlock();
      } else {
        wait_for_departure();
      }
    });
  } catch (const TimeoutError&) {
    pause_ = std::min(2 * pause_, kLongestPause);
  } catch (const std::bad_alloc&) {
    yield();  // no memory to measure time with; so much is owed to the others
  }
}

// ---- Accepting.

void Server::open_acceptor() {
  // More than are allowed must not be taken.
  if (!options_.accept_ahead || options_.max_connections != ServeOptions::kUnlimited) return;
  try {
    acceptor_ = need_reactor("serve").accept_all(listener_.descriptor);
  } catch (const std::bad_alloc&) {
    // One by one it goes as well.
  }
}

void Server::accept_until_closed() {
  open_acceptor();
  while (wait_for_room()) {
    lock_.lock();
    const std::uint64_t departures = departures_;
    lock_.unlock();
    // A connection whose task found no stack is lost. So that the next are not, they wait.
    const std::exception_ptr exhausted =
        starved() ? std::make_exception_ptr(StackAllocationError()) : accept_one();
    if (exhausted == nullptr) {
      // Unless what was taken before it has starved meanwhile.
      if (!starved()) pause_ = kShortestPause;
    } else if (is_listening()) {
      tell_of_want(exhausted);
      pause(departures);
    }
  }
}

// Once, until it has passed.
void Server::tell_of_want(const std::exception_ptr& error) noexcept {
  const Nanos at = now();
  if (at - std::exchange(last_want_, at) < kCalm) return;
  report(ServeError::Stage::kAccept, listener_.address(), error);
}

// Returns the error when one says that resources have run out, or that the listener has been
// closed.
std::exception_ptr Server::accept_one() {
  try {
    admit(listener_.accept(acceptor_.get()));
  } catch (const std::system_error& error) {
    if (is_listening() && !is_want_of_resources(error.code())) throw;
    return std::current_exception();
  } catch (const std::bad_alloc&) {
    return std::current_exception();
  }
  return nullptr;
}

void Server::admit(std::unique_ptr<StreamState> connection) {
  if (tasks_.size() >= tidy_at_) {
    std::erase_if(tasks_, [](const Task<void>& task) { return task.done(); });
    tidy_at_ = std::max(kLeastKeptTasks, 2 * tasks_.size());
  }
  tasks_.emplace_back();
  const SpawnOptions how{.name = "connection", .stack_size = options_.stack_size};
  try {
    tasks_.back() = spawn(how, [place = Place(*this), taken = std::move(connection)]() mutable {
      place.begin().serve_one(std::move(taken));
    });
    // All that it can end with is want of a stack, and of that its place tells.
    tasks_.back().ref().mark_read();
  } catch (...) {
    tasks_.pop_back();
    throw;
  }
}

void Server::serve_one(std::unique_ptr<StreamState> connection) const {
  const SocketAddress peer = connection->address();
  try {
    handler_.call(handler_.handler, connection);
  } catch (const Cancelled&) {
    throw;
  } catch (...) {
    report(ServeError::Stage::kHandler, peer, std::current_exception());
  }
}

void Server::report(ServeError::Stage stage, const SocketAddress& address,
                    std::exception_ptr error) const noexcept {
  ServeError what{stage, address, std::move(error)};
  try {
    const bool of_peer = stage == ServeError::Stage::kHandler;
    what.name = !address.empty() ? address.to_string()
                : of_peer        ? "client of " + listener_.name()
                                 : listener_.name();
  } catch (const std::bad_alloc&) {
  }
  if (options_.on_error) {
    options_.on_error(what);
  } else {
    print_error(what);
  }
}

// ---- The end.

// True when a cancellation came meanwhile.
bool Server::drain() {
  bool cancelled = false;
  if (options_.drain_timeout > options_.drain_timeout.zero()) {
    try {
      timeout(options_.drain_timeout, [&] {
        for (const Task<void>& task : tasks_) task.join();
      });
      return false;
    } catch (const Cancelled&) {
      cancelled = true;
    } catch (const std::exception&) {
      // The time is up, or there was no memory to measure it.
    }
  }
  for (const Task<void>& task : tasks_) task.cancel();
  return join_all() || cancelled;
}

// Whatever comes: the connections use what the caller's frame holds.
bool Server::join_all() {
  bool cancelled = false;
  for (const Task<void>& task : tasks_) {
    while (!task.done()) {
      try {
        task.join();
      } catch (const Cancelled&) {
        cancelled = true;
      }
    }
  }
  return cancelled;
}

void Server::run() {
  bool cancelled = false;
  std::exception_ptr failure;
  try {
    accept_until_closed();
  } catch (const Cancelled&) {
    cancelled = true;
  } catch (...) {
    failure = std::current_exception();
  }
  acceptor_.reset();
  listener_.close();
  // Those that are cancelled before they begin are not starved.
  if (!cancelled && starved()) tell_of_want(std::make_exception_ptr(StackAllocationError()));
  cancelled |= drain();
  if (failure) std::rethrow_exception(failure);
  if (cancelled) throw Cancelled();
}

}  // namespace

void serve(ListenerState& listener, ConnectionHandler handler, const ServeOptions& options) {
  need_reactor("serve");
  if (options.max_connections == 0) {
    throw std::invalid_argument("weft::serve: max_connections is 0; allowed are 1 and more");
  }
  Server(listener, handler, options).run();
}

}  // namespace weft::detail
