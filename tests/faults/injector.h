#pragma once

// Faults of the kernel and of the heap, made up on purpose. The calls that the runtime makes end
// here, by the linker's --wrap (meson.build has the list), and while an Injection lives some of
// them fail as a plan says. What they do otherwise, and to whom the plan does not apply, is left
// alone.
//
// A made-up fault must be one that the kernel could have given. With edge-triggered epoll that
// means: after a made-up EAGAIN or short count there is nothing left that would tell the runtime to
// try again, as the kernel never leaves it. So the edge is told anew, by a real EPOLL_CTL_MOD.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace faults {

/// What can fail. Calls of one kind are counted together, whatever their names are in this build.
enum class Call : std::uint8_t {
  kReceive,
  kSend,  // sendmsg, too
  kReceiveMessage,
  kReceiveMany,
  kSendMany,
  kRead,
  kSplice,
  kPipe,
  kAccept,
  kConnect,
  kSocket,
  kSocketOption,
  kListen,  // bind, too
  kSocketName,
  kShutdown,
  kClose,
  kEpollCreate,
  kEpollControl,
  kEpollWait,  // with nanoseconds
  kEpollWaitMillis,
  kEventfd,
  kFutexWait,
  kBarrier,
  kMap,
  kProtect,
  kAdvise,
  kSignalStack,
  kThread,
  kResolve,  // its errors are EAI_...
  kNew,      // not where ThreadSanitizer brings its own: see new.cc
  kMalloc,
  kRingSetup,
  kRingEnter,  // a short count: of entries that the kernel takes
  // What a ring was asked to do, at the time it is handed over; only where the kernel can be told
  // to end an operation with a wanted result (Linux 6.11).
  kRingReceive,
  kRingSend,
  kRingAccept,
  kRingRead,
  kRingWrite,
  kRingSync,
  kRingPoll,
};

/// One kind of fault.
struct Fault {
  Call call;
  /// An errno. 0: not an error but a short count, of `most` bytes.
  int error = 0;
  std::size_t most = 1;
  /// The calls on this descriptor alone; -1: all.
  int fd = -1;
  /// By count: passes over the first `skip` calls, then fails `times` of them.
  unsigned skip = 0;
  unsigned times = 1;
  /// How long the call takes to fail, for others to get in between.
  unsigned microseconds = 0;
  /// By chance, if not 0: each call fails once in so many, `times` at most.
  unsigned one_in = 0;
};

inline constexpr unsigned kAlways = ~0U;

enum class Where : std::uint8_t { kAnyThread, kWorkers };

/// Faults are injected while it lives. One at a time.
class Injection {
 public:
  explicit Injection(Fault fault, Where where = Where::kAnyThread)
      : Injection({&fault, 1}, where, 0) {}
  /// Chances are drawn from the seed, one series a fault: as far as threads make the same calls in
  /// the same order, the same calls fail.
  Injection(std::span<const Fault> plan, Where where, std::uint64_t seed);
  ~Injection();
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;

  /// How many calls the plan's fault number `index` has failed.
  static unsigned hits(std::size_t index = 0);
};

/// Whether the kernel can be told how an operation of a ring is to end.
bool kernel_ends_as_told() noexcept;

/// The last error that was injected into a call on this descriptor and that its user must hear of;
/// 0: none since it was opened.
int last_error(int fd);

/// For a message: "recv: ECONNRESET".
std::string describe(const Fault& fault);
/// For the name of the test that has it as its parameter number `index`: "receive_ECONNRESET_0".
std::string name_of(const Fault& fault, std::size_t index);

namespace detail {

/// What a wrapped call is to do: nothing out of the ordinary, fail, or be short.
struct Verdict {
  bool injected = false;
  int error = 0;
  std::size_t most = 0;
  explicit operator bool() const noexcept { return injected; }
};

Verdict judge(Call call, int fd = -1) noexcept;
/// Whether the plan of now has any fault of a ring's operations.
bool plans_operations() noexcept;

/// Where the kernel was told to watch a descriptor, to tell the edge anew.
void note_watch(int epoll, int fd, std::uint32_t events, std::uint64_t key) noexcept;
void forget(int fd) noexcept;
void tell_edge_again(int fd) noexcept;

}  // namespace detail
}  // namespace faults
