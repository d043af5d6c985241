#include "faults/injector.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>

#include "sched/worker.h"

extern "C" int __real_epoll_ctl(int epoll, int operation, int fd, epoll_event* event);

namespace faults {

namespace {

constexpr std::size_t kMostFaults = 96;
constexpr std::size_t kMostDescriptors = 4096;

struct Planned {
  Fault fault;
  unsigned seen = 0;
  unsigned hits = 0;
};

struct Watch {
  int epoll = -1;
  std::uint32_t events = 0;
  std::uint64_t key = 0;
};

// A mutex, and nothing that allocates: operator new comes here too.
constinit std::mutex g_mutex;
std::atomic<bool> g_active{false};
std::atomic<bool> g_plans_operations{false};
// All under g_mutex. The plan stays after its Injection, to be read.
constinit std::array<Planned, kMostFaults> g_plan{};
constinit std::size_t g_planned = 0;
constinit std::uint64_t g_seed = 0;
constinit Where g_where = Where::kAnyThread;
constinit std::array<Watch, kMostDescriptors> g_watches{};
constinit std::array<int, kMostDescriptors> g_last_errors{};

std::uint64_t mix(std::uint64_t value) noexcept {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

bool known(int fd) noexcept { return fd >= 0 && static_cast<std::size_t>(fd) < kMostDescriptors; }

bool is_turn(Planned& planned, std::size_t index) noexcept {
  const Fault& fault = planned.fault;
  const unsigned number = planned.seen++;
  if (fault.one_in == 0) return number >= fault.skip && number - fault.skip < fault.times;
  return planned.hits < fault.times && mix(mix(g_seed + index) + number) % fault.one_in == 0;
}

bool is_retried(int error) noexcept {
  return error == 0 || error == EINTR || error == EAGAIN || error == ECANCELED;
}

}  // namespace

Injection::Injection(std::span<const Fault> plan, Where where, std::uint64_t seed) {
  const std::lock_guard lock(g_mutex);
  assert(!g_active.load() && plan.size() <= kMostFaults);
  g_planned = plan.size();
  bool plans_operations = false;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    g_plan[i] = {plan[i]};
    plans_operations |= plan[i].call >= Call::kRingReceive;
  }
  g_plans_operations.store(plans_operations);
  g_where = where;
  g_seed = seed;
  g_active.store(true);
}

Injection::~Injection() { g_active.store(false); }

unsigned Injection::hits(std::size_t index) {
  const std::lock_guard lock(g_mutex);
  return g_plan[index].hits;
}

int last_error(int fd) {
  const std::lock_guard lock(g_mutex);
  return known(fd) ? g_last_errors[static_cast<std::size_t>(fd)] : 0;
}

std::string describe(const Fault& fault) {
  static constexpr const char* kNames[] = {
      "receive",     "send",           "recvmsg",        "recvmmsg",     "sendmmsg",
      "read",        "splice",         "pipe2",          "accept",       "connect",
      "socket",      "setsockopt",     "listen",         "getsockname",  "shutdown",
      "close",       "epoll_create",   "epoll_ctl",      "epoll_pwait2", "epoll_wait",
      "eventfd",     "futex",          "membarrier",     "mmap",         "mprotect",
      "madvise",     "sigaltstack",    "thread",         "getaddrinfo",  "new",
      "malloc",      "io_uring_setup", "io_uring_enter", "ring recv",    "ring send",
      "ring accept", "ring read",      "ring write",     "ring fsync",   "ring poll",
  };
  const std::string name = kNames[static_cast<std::size_t>(fault.call)];
  if (fault.call == Call::kResolve) return name + " error " + std::to_string(fault.error);
  if (fault.error == 0) return name + " short";
  return name + ' ' + ::strerrorname_np(fault.error);
}

std::string name_of(const Fault& fault, std::size_t index) {
  std::string name = describe(fault) + '_' + std::to_string(index);
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

namespace detail {

Verdict judge(Call call, int fd) noexcept {
  if (!g_active.load(std::memory_order_relaxed)) return {};
  const bool on_worker = weft::detail::current_worker() != nullptr;
  std::unique_lock lock(g_mutex);
  if (!g_active.load() || (g_where == Where::kWorkers && !on_worker)) return {};
  for (std::size_t i = 0; i < g_planned; ++i) {
    Planned& planned = g_plan[i];
    const Fault& fault = planned.fault;
    if (fault.call != call || (fault.fd >= 0 && fault.fd != fd) || !is_turn(planned, i)) continue;
    ++planned.hits;
    if (known(fd) && !is_retried(fault.error)) {
      g_last_errors[static_cast<std::size_t>(fd)] = fault.error;
    }
    const Verdict verdict{true, fault.error, fault.most};
    const unsigned microseconds = fault.microseconds;
    lock.unlock();
    if (microseconds > 0) ::usleep(microseconds);
    return verdict;
  }
  return {};
}

bool plans_operations() noexcept {
  return g_active.load(std::memory_order_relaxed) && g_plans_operations.load();
}

void note_watch(int epoll, int fd, std::uint32_t events, std::uint64_t key) noexcept {
  const std::lock_guard lock(g_mutex);
  if (known(fd)) g_watches[static_cast<std::size_t>(fd)] = {epoll, events, key};
}

void forget(int fd) noexcept {
  const std::lock_guard lock(g_mutex);
  if (!known(fd)) return;
  g_watches[static_cast<std::size_t>(fd)] = {};
  g_last_errors[static_cast<std::size_t>(fd)] = 0;
}

// By whoever is inside a call on the descriptor, so that its number stays what it is. Nothing to
// tell where it is not watched yet: that is answered with what is ready by then.
void tell_edge_again(int fd) noexcept {
  Watch watch;
  {
    const std::lock_guard lock(g_mutex);
    if (known(fd)) watch = g_watches[static_cast<std::size_t>(fd)];
  }
  if (watch.epoll < 0) return;
  epoll_event event{};
  event.events = watch.events;
  event.data.u64 = watch.key;
  __real_epoll_ctl(watch.epoll, EPOLL_CTL_MOD, fd, &event);
}

}  // namespace detail
}  // namespace faults
