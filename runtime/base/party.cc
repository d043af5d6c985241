#include "base/party.h"

#include <pthread.h>
#include <weft/detail/solo.h>
#include <atomic>
#include <optional>

#include "base/membarrier.h"

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

// ThreadSanitizer does not know the barrier on all threads.
#if defined(__SANITIZE_THREAD__)
#define WEFT_KNOWN_BARRIER false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_KNOWN_BARRIER false
#endif
#endif
#if !defined(WEFT_KNOWN_BARRIER)
#define WEFT_KNOWN_BARRIER true
#endif

namespace weft::detail {

namespace {

constinit Solo g_solo;
constinit Solo g_over(true);

// What the thread is among the newcomers.
enum class Kind : std::uint8_t { kPlain, kHasCome, kWorker };
constinit thread_local Kind t_kind [[gnu::tls_model("initial-exec")]] = Kind::kPlain;

constinit std::atomic<bool> g_prepared{false};
constinit std::atomic<bool> g_granted{false};

bool single_threaded() noexcept {
#if __has_include(<sys/single_threaded.h>)
  return __libc_single_threaded != 0;
#else
  return false;
#endif
}

}  // namespace

constinit thread_local Solo* t_solo [[gnu::tls_model("initial-exec"), gnu::used]] = &g_over;

#if !WEFT_READS_THREAD_POINTERS
Solo* solo_of_this_thread() noexcept {
  asm volatile("" ::: "memory");
  return t_solo;
}
#endif

namespace {

void begin_child() noexcept {
  g_solo.forget_others(t_solo == &g_solo, t_kind == Kind::kHasCome);
  if (t_kind != Kind::kWorker) g_granted.store(false, std::memory_order_relaxed);
}

// A thread that ends leaves. By a key, since a thread-local with a destructor takes memory.
void leave_at_end() noexcept {
  static const auto key = [] {
    pthread_key_t made = 0;
    const auto leave = [](void*) { leave_party(); };
    return ::pthread_key_create(&made, leave) == 0 ? std::optional(made) : std::nullopt;
  }();
  // Where that fails it stays, and nobody is solo beside it.
  if (key) static_cast<void>(::pthread_setspecific(*key, &t_kind));
}

}  // namespace

// These are not inlined into a fiber's code, whose address of a thread-local may be an old one.

[[gnu::noinline]] void become_one_of_many() noexcept {
  // The solo thread comes here when it finds that it is none any more.
  if (t_solo == &g_over) {
    g_solo.come(t_kind == Kind::kWorker ? Solo::Stay::kWhileAwake : Solo::Stay::kForGood);
    if (t_kind == Kind::kPlain) {
      t_kind = Kind::kHasCome;
      leave_at_end();
    }
  }
  t_solo = nullptr;
}

[[gnu::noinline]] void leave_party() noexcept {
  if (t_kind != Kind::kHasCome) return;
  t_kind = Kind::kPlain;
  t_solo = &g_over;
  g_solo.leave();
}

Party party() noexcept {
  if (t_solo == nullptr) return Party::kOneOfMany;
  return t_solo == &g_solo ? Party::kSolo : Party::kNewcomer;
}

SoloRight::SoloRight() noexcept : granted_(!g_granted.exchange(true, std::memory_order_acquire)) {
  if (single_threaded()) prepare();
}

SoloRight::~SoloRight() {
  if (granted_) g_granted.store(false, std::memory_order_release);
}

void SoloRight::prepare() const noexcept {
  if (!WEFT_KNOWN_BARRIER || !granted_ || g_prepared.load(std::memory_order_relaxed)) return;
  if (prepare_barrier_on_all_threads() && ::pthread_atfork(nullptr, nullptr, &begin_child) == 0)
    g_prepared.store(true, std::memory_order_release);
}

Solo& solo_of_process() noexcept { return g_solo; }
bool solo_is_prepared() noexcept {
  return g_prepared.load(std::memory_order_acquire) && barrier_is_quick();
}
[[gnu::noinline]] void change_words_by(Solo* solo) noexcept { t_solo = solo; }
[[gnu::noinline]] void begin_as_newcomer() noexcept { t_solo = &g_over; }
void count_as_worker(bool is_worker) noexcept { t_kind = is_worker ? Kind::kWorker : Kind::kPlain; }

}  // namespace weft::detail
