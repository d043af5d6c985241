#include "reactor/foreign_waits.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
#include <new>

#include "time/clock.h"

namespace weft::detail {

// One wait of one fiber; in its frame.
struct ForeignWaits::Wait {
  Spinlock lock;
  bool over = false;            // under lock
  Wake reason = Wake::kNormal;  // under lock
  WakeToken waiter;             // under lock; set when the fiber is about to sleep
};

struct ForeignWaits::Node : ListNode<> {
  Wait* wait = nullptr;
  const ForeignWaits* home = nullptr;
  Entry* entry = nullptr;
  pollfd* item = nullptr;
  std::uint32_t armed = 0;  // under the entry's lock: which time, the last at its home

  std::uint32_t events() const noexcept { return static_cast<std::uint16_t>(item->events); }
};

struct ForeignWaits::Entry : Numbered {
  // Held while the kernel is told, for longer than others of its kind: what is armed must be what
  // is linked. Only waits for the same descriptor meet here.
  Spinlock lock;
  List<Node> waiters;         // under lock
  std::uint32_t armings = 0;  // under lock
};

namespace {

// How many closes are on their way, by the number's remainder: two numbers that share a count only
// make each other look once more. Written by who closes, read by who links. [closing]
constexpr unsigned kCounts = 64;
constinit Atomic<std::uint32_t> g_closings[kCounts] = {};

// How many forks this process is away from the first. Written by its only thread.
constinit unsigned g_forks = 0;

// Whose fibers wait. The child of a vfork(2) runs on the same memory, and closes what is its own.
// Written when a runtime begins; publishes nothing.
constinit Atomic<pid_t> g_process{0};

}  // namespace

ForeignWaits::ForeignWaits(int epoll) noexcept : epoll_(epoll) {
  g_process.store(::getpid(), std::memory_order_relaxed);
}

NumberTable<ForeignWaits::Entry>& ForeignWaits::table() noexcept {
  static constinit NumberTable<Entry> numbers;
  return numbers;
}

// Those of one wait, few as a rule. Its end is the wait's: see invariant 2.
class ForeignWaits::Nodes {
 public:
  explicit Nodes(std::size_t count)
      : many_(count > few_.size() ? std::make_unique<Node[]>(count) : nullptr),
        nodes_(many_ != nullptr ? many_.get() : few_.data(), count) {}
  ~Nodes() {
    for (Node& node : nodes_) {
      if (node.entry == nullptr) continue;
      std::lock_guard lock(node.entry->lock);
      if (node.linked()) node.unlink();
    }
  }
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;
  Node& operator[](std::size_t index) noexcept { return nodes_[index]; }

 private:
  std::array<Node, 4> few_;
  const std::unique_ptr<Node[]> many_;
  const std::span<Node> nodes_;
};

Wake ForeignWaits::wait(std::span<pollfd> items, Nanos deadline, Cancellable cancellable) {
  // Where the kernel refuses to watch (no memory, too many watches), or a close is on its way, the
  // caller looks now and then.
  Wait wait;
  Nodes nodes(items.size());
  bool watched = true;
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].revents = 0;
    if (items[i].fd < 0) continue;
    nodes[i].wait = &wait;
    nodes[i].home = this;
    nodes[i].item = &items[i];
    watched &= link(nodes[i], table().entry(items[i].fd));
  }
  const Nanos look_at = watched ? kNever : saturating_add(now(), kLookAgain);
  const WakeToken self = current_token(WaitsFor::kDescriptor);
  wait.lock.lock();
  if (wait.over) {
    wait.lock.unlock();
    return wait.reason;
  }
  wait.waiter = self;
  const auto unlock = [](void* lock) noexcept { static_cast<Spinlock*>(lock)->unlock(); };
  try {
    const Wake reason = suspend_until(std::min(deadline, look_at), unlock, &wait.lock, cancellable);
    return reason == Wake::kTimeout && look_at < deadline ? Wake::kNormal : reason;
  } catch (...) {
    wait.waiter = {};  // it holds for the next wait as well
    wait.lock.unlock();
    throw;
  }
}

// False: it may be that nothing will be told of it.
bool ForeignWaits::link(Node& node, Entry& entry) noexcept {
  std::lock_guard lock(entry.lock);
  node.entry = &entry;
  entry.waiters.push_back(node);
  // Before it is armed: a close that is over by now has left nothing that could be armed in vain,
  // and one that begins later finds the waiter. Where who closes has found no entry, no lock has
  // put the two in order: here the entry is made, and then the count read; there the other way
  // round.
  const auto number = static_cast<unsigned>(entry.fd());
  const bool ends = g_closings[number % kCounts].load(std::memory_order_seq_cst) != 0;  // [closing]
  const int error = arm(entry);
  // EBADF: it is closed. EPERM: it is of a kind that can always be read and written, and has
  // nothing else to tell.
  constexpr std::uint32_t kAlways = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
  const bool is_over = error == EBADF || (error == EPERM && (node.events() & kAlways) != 0);
  if (is_over) end(*node.wait, Wake::kNormal, nullptr);
  return error == 0 ? !ends : error == EBADF || error == EPERM;
}

// 0 or the errno. Not inlined where a fiber suspends: compilers keep errno's address across calls.
[[gnu::noinline]] int ForeignWaits::arm(Entry& entry) noexcept {
  epoll_event event{};
  event.events = EPOLLONESHOT;
  const std::uint32_t armed = ++entry.armings;
  event.data.u64 = (std::uint64_t{armed} << 32) | kMark | static_cast<std::uint32_t>(entry.fd());
  entry.waiters.for_each([&](const Node& node) {
    if (node.home == this) event.events |= node.events();
  });
  // It is registered as a rule: who waited for it once does so again.
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, entry.fd(), &event) != 0 &&
      (errno != ENOENT || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, entry.fd(), &event) != 0)) {
    return errno;  // and what was armed before still is
  }
  entry.waiters.for_each([&](Node& node) {
    if (node.home == this) node.armed = armed;
  });
  return 0;
}

// Under the lock of an entry where it is linked, or by the waiter itself.
void ForeignWaits::end(Wait& wait, Wake reason, std::vector<Ready>* ready) noexcept {
  wait.lock.lock();
  if (!wait.over) wait.reason = reason;
  wait.over = true;
  const WakeToken waiter = wait.waiter;
  wait.lock.unlock();
  if (waiter.fiber == nullptr) return;
  if (ready != nullptr) {
    try {
      ready->push_back({waiter, reason});
    } catch (const std::bad_alloc&) {
      wake_from_driver(waiter, reason);
    }
  } else {
    wake(waiter, reason);
  }
}

void ForeignWaits::post(const epoll_event& event, std::vector<Ready>& ready) noexcept {
  const auto fd = static_cast<int>(event.data.u64 & (kMark - 1));
  Entry* const entry = table().find(fd);
  WEFT_ASSERT(entry != nullptr, "only numbers that have an entry are armed");
  const std::uint32_t always = EPOLLERR | EPOLLHUP;
  std::lock_guard lock(entry->lock);
  bool others = false;
  entry->waiters.remove_if([&](Node& node) {
    // Not of what was armed before: that may be another file, which had the number, and lives on.
    if (node.home != this || node.armed != event.data.u64 >> 32) return false;
    const std::uint32_t told = event.events & (node.events() | always);
    const bool concerned = told != 0;
    if (concerned) {
      node.item->revents = static_cast<short>(told);  // poll(2)'s have the same numbers
      end(*node.wait, Wake::kNormal, &ready);
    } else {
      others = true;
    }
    return concerned;
  });
  // Refused, it is closed or there is no memory: they look themselves.
  if (!others || arm(*entry) == 0) return;
  entry->waiters.remove_if([&](Node& node) {
    if (node.home != this) return false;
    end(*node.wait, Wake::kNormal, &ready);
    return true;
  });
}

void ForeignWaits::look_again(int fd) noexcept {
  Entry* const entry = table().find(fd);
  if (entry == nullptr) return;
  std::lock_guard lock(entry->lock);
  entry->waiters.remove_if([&](Node& node) {
    if (node.home != this) return false;
    end(*node.wait, Wake::kNormal, nullptr);
    return true;
  });
}

// By who is about to close it.
void ForeignWaits::tell_closed(Entry& entry) noexcept {
  std::lock_guard lock(entry.lock);
  if (entry.waiters.empty() || ::getpid() != g_process.load(std::memory_order_relaxed)) return;
  while (Node* const node = entry.waiters.pop_front()) {
    node->item->revents = POLLNVAL;
    end(*node->wait, Wake::kClosed, nullptr);
  }
}

ForeignWaits::Closing::Closing(int fd) noexcept
    : first_(static_cast<unsigned>(fd)), count_(1), forks_(g_forks) {
  g_closings[first_ % kCounts].fetch_add(1, std::memory_order_seq_cst);  // [closing]
  if (Entry* const entry = table().find(fd)) tell_closed(*entry);
}

ForeignWaits::Closing::Closing(unsigned first, unsigned last) noexcept
    : first_(first),
      count_(last < first ? 0 : std::min(last - first, kCounts - 1) + 1),
      forks_(g_forks) {
  for (unsigned i = 0; i < count_; ++i) {
    g_closings[(first_ + i) % kCounts].fetch_add(1, std::memory_order_seq_cst);  // [closing]
  }
  table().for_each(first, last, [](Entry& entry) { tell_closed(entry); });
}

ForeignWaits::Closing::~Closing() {
  if (forks_ != g_forks) return;
  for (unsigned i = 0; i < count_; ++i) {
    g_closings[(first_ + i) % kCounts].fetch_sub(1, std::memory_order_release);
  }
}

void ForeignWaits::forget_parent() noexcept {
  ++g_forks;
  table().forget_all();
  for (auto& count : g_closings) count.store(0, std::memory_order_relaxed);
}

}  // namespace weft::detail
