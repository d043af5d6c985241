#include "base/party.h"

#include <pthread.h>
#include <weft/detail/solo.h>
#include <atomic>

#include "base/membarrier.h"

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace weft::detail {

namespace {
constinit Solo g_solo;
constinit Solo g_over(true);
}  // namespace

constinit thread_local Solo* t_solo [[gnu::tls_model("initial-exec")]] = &g_over;

namespace {

constinit std::atomic<bool> g_prepared{false};

bool single_threaded() noexcept {
#if __has_include(<sys/single_threaded.h>)
  return __libc_single_threaded != 0;
#else
  return false;
#endif
}

void begin_child() noexcept { g_solo.forget_others(t_solo == &g_solo); }

}  // namespace

void prepare_solo() noexcept {
  if (!g_prepared.load(std::memory_order_relaxed) && single_threaded() &&
      prepare_barrier_on_all_threads() && ::pthread_atfork(nullptr, nullptr, &begin_child) == 0) {
    g_prepared.store(true, std::memory_order_relaxed);
  }
}

SoloScope::SoloScope(bool may) noexcept {
  if (may && g_prepared.load(std::memory_order_relaxed) && g_solo.begin()) {
    t_solo = &g_solo;
  } else {
    become_one_of_many();
  }
}

SoloScope::~SoloScope() {
  if (t_solo == &g_solo) g_solo.end();
  t_solo = &g_over;
}

void become_one_of_many() noexcept {
  // The solo thread comes here when it finds that it is none any more.
  if (t_solo == &g_over) g_solo.end_for_all();
  t_solo = nullptr;
}

Party party() noexcept {
  if (t_solo == nullptr) return Party::kOneOfMany;
  return t_solo == &g_solo ? Party::kSolo : Party::kNewcomer;
}

}  // namespace weft::detail
