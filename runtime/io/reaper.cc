#include "io/reaper.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/signal_mask.h"

namespace weft::detail {

namespace {

constexpr int kLookMillis = 50;  // at children that have no descriptor

struct Orphans {
  std::mutex mutex;  // guards all below
  std::vector<ChildProcess> children;
  bool thread_runs = false;
  Descriptor news;  // an eventfd: there are more children; while the thread runs
};

// Never destroyed: the thread may outlast main().
Orphans& orphans() noexcept {
  static Orphans& instance = *new Orphans;
  return instance;
}

// What to wait for next; nothing when there is nobody left. Under the mutex.
std::vector<pollfd> take_all_and_list(Orphans& all, bool& everyone_has_one) {
  std::erase_if(all.children, [](const ChildProcess& child) {
    std::optional<ExitStatus> status;
    return take_status(child, status) != EAGAIN;
  });
  std::vector<pollfd> awaited;
  if (all.children.empty()) return awaited;
  everyone_has_one = all.news.is_open();
  if (all.news.is_open()) {
    std::uint64_t count = 0;
    const ssize_t size = ::read(all.news.fd(), &count, sizeof(count));
    static_cast<void>(size);  // nothing new is no error
    awaited.push_back({all.news.fd(), POLLIN, 0});
  }
  for (const ChildProcess& child : all.children) {
    if (child.descriptor.is_open()) {
      awaited.push_back({child.descriptor.fd(), POLLIN, 0});
    } else {
      everyone_has_one = false;
    }
  }
  return awaited;
}

void reap_all() noexcept {
  Orphans& all = orphans();
  for (;;) {
    std::vector<pollfd> awaited;
    bool everyone_has_one = false;
    {
      const std::lock_guard lock(all.mutex);
      try {
        awaited = take_all_and_list(all, everyone_has_one);
      } catch (const std::bad_alloc&) {
        awaited.clear();
        everyone_has_one = false;  // look now and then
      }
      if (all.children.empty()) {
        all.news.close();
        all.thread_runs = false;
        return;
      }
    }
    ::poll(awaited.data(), awaited.size(), everyone_has_one ? -1 : kLookMillis);
  }
}

// Under the mutex.
void start_thread(Orphans& all) {
  const int news = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  all.news = news >= 0 ? Descriptor(news) : Descriptor();
  const AllSignalsBlocked scope;
  std::thread thread(&reap_all);
  all.thread_runs = true;
  const int error = ::pthread_setname_np(thread.native_handle(), "weft-reaper");
  static_cast<void>(error);  // Refused where /proc is not writable; a name is only for people.
  thread.detach();
}

}  // namespace

// Without memory or a thread the child stays a zombie, until another one comes here or the program
// ends: nobody could be told.
void reap_in_background(ChildProcess&& child) noexcept {
  std::optional<ExitStatus> status;
  if (take_status(child, status) != EAGAIN) return;
  Orphans& all = orphans();
  const std::lock_guard lock(all.mutex);
  try {
    all.children.push_back(std::move(child));
    if (!all.thread_runs) {
      start_thread(all);
    } else if (all.news.is_open()) {
      const std::uint64_t one = 1;
      const ssize_t size = ::write(all.news.fd(), &one, sizeof(one));
      static_cast<void>(size);  // fails only when the count is full, and then it is read
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): see above
  }
}

}  // namespace weft::detail
