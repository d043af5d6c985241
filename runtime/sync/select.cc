#include <weft/detail/select_core.h>

#include <functional>
#include <new>
#include <utility>

#include <weft/error.h>
#include "base/random.h"
#include "sync/channel.h"

// First each channel that seems ready is asked by itself, in a random order if there are several:
// who finds one that is holds no other lock. If none is, all are locked, in the order of their
// addresses, and asked again; still none, the select waits at all of them before it unlocks any. So
// nothing can become ready between the last look and the wait.
//
// Whoever claims it at one channel marks the waiter there as served. Afterwards the select takes
// the others off their lists, under the lock of each, as a cancelled waiter does.

namespace weft::detail {

namespace {
ChannelWaiter& waiter_of(SelectCase& one) noexcept {
  return *std::launder(reinterpret_cast<ChannelWaiter*>(one.waiter));
}
}  // namespace

class Selection {
 public:
  explicit Selection(std::span<SelectCase> cases) noexcept : cases_(cases) {}

  /// Each by itself; which was done, if any.
  std::size_t try_each();
  /// All at once.
  std::size_t try_all();
  std::size_t wait(Nanos deadline);

 private:
  using Done = ChannelCore::Done;
  using Attempt = ChannelCore::Attempt;

  static std::uint32_t lock(ChannelCore& channel) noexcept { return channel.lock(false); }
  static void unlock(ChannelCore& channel) noexcept;
  static bool take_short_way(SelectCase& one) noexcept;
  static Attempt attempt(SelectCase& one, std::uint32_t state) noexcept;
  static WaitList& list_of(SelectCase& one) noexcept {
    return one.sends ? one.channel->senders_ : one.channel->receivers_;
  }

  std::size_t try_one(SelectCase& one);
  void shuffle() noexcept;
  void sort() noexcept;
  void lock_all() noexcept;
  void unlock_all() noexcept;
  std::size_t try_locked();
  std::size_t finish(const SelectCase& one, Done done) const;
  void begin_wait(WakeToken token) noexcept;
  /// Returns which one was served.
  std::size_t end_wait(Wake reason, const WakeToken& token) noexcept;

  const std::span<SelectCase> cases_;
  bool shuffled_ = false;
  bool sorted_ = false;
};

// A random permutation (Fisher and Yates; Durstenfeld 1964): to begin at a random place and go
// round would favour the first of those that are ready.
void Selection::shuffle() noexcept {
  if (std::exchange(shuffled_, true)) return;
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    const std::size_t place = i == 0 ? 0 : random_below(static_cast<std::uint32_t>(i + 1));
    cases_[i].in_turn = cases_[place].in_turn;
    cases_[place].in_turn = &cases_[i];
  }
}

void Selection::unlock(ChannelCore& channel) noexcept {
  channel.unlock(channel.receivers_.word.load(std::memory_order_relaxed));
}

Selection::Attempt Selection::attempt(SelectCase& one, std::uint32_t state) noexcept {
  return one.sends ? one.channel->match_send(one.item, state)
                   : one.channel->match_receive(one.item, state);
}

// A receive from a closed channel is done, and has received nothing.
std::size_t Selection::finish(const SelectCase& one, Done done) const {
  if (done == Done::kClosed && one.sends) throw ChannelClosed();
  return static_cast<std::size_t>(&one - cases_.data());
}

// With the lock of a channel that is open, and without it if this succeeds: where nobody waits.
bool Selection::take_short_way(SelectCase& one) noexcept {
  ChannelCore& channel = *one.channel;
  void* const slot = one.sends ? channel.add_slot() : channel.remove_slot();
  if (slot == nullptr) return false;
  if (one.sends) {
    channel.moves_.store(one.item, slot);
  } else {
    channel.moves_.fetch(slot, one.item);
  }
  channel.unlock_open();
  return true;
}

std::size_t Selection::try_one(SelectCase& one) {
  const bool at_once = one.channel->try_lock_open();
  if (at_once && take_short_way(one)) return finish(one, Done::kYes);
  const std::uint32_t state = at_once ? 0 : lock(*one.channel);
  const Attempt tried = attempt(one, state);
  if (one.channel->finish(tried, state) != Done::kMustWait) return finish(one, tried.done);
  one.channel->unlock(state);
  return kNoCase;
}

std::size_t Selection::try_each() {
  const auto may_be_ready = [](const SelectCase& one) {
    return one.channel != nullptr && one.channel->may_be_ready(one.sends);
  };
  SelectCase* last = nullptr;
  int candidates = 0;
  for (SelectCase& one : cases_) {
    if (!may_be_ready(one)) continue;
    last = &one;
    ++candidates;
  }
  if (candidates == 0) return kNoCase;
  if (candidates == 1) return try_one(*last);
  shuffle();
  for (const SelectCase& place : cases_) {
    SelectCase& one = *place.in_turn;
    if (!may_be_ready(one)) continue;
    if (const std::size_t done = try_one(one); done != kNoCase) return done;
  }
  return kNoCase;
}

// By insertion: there are few. Those without a channel come first.
void Selection::sort() noexcept {
  if (std::exchange(sorted_, true)) return;
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    std::size_t place = i;
    for (; place > 0; --place) {
      SelectCase* const before = cases_[place - 1].by_address;
      if (!std::less<>()(cases_[i].channel, before->channel)) break;
      cases_[place].by_address = before;
    }
    cases_[place].by_address = &cases_[i];
  }
}

void Selection::lock_all() noexcept {
  sort();
  ChannelCore* last = nullptr;
  for (const SelectCase& place : cases_) {
    ChannelCore* const channel = place.by_address->channel;
    if (channel != last) lock(*channel);
    last = channel;
  }
}

// When this is what a waiter does as it falls asleep, it may be woken at the first channel while
// the others are still locked. It cannot return before it has had the lock of each of them, so what
// is read here exists until the last has been unlocked.
void Selection::unlock_all() noexcept {
  ChannelCore* locked = nullptr;
  for (std::size_t i = 0, count = cases_.size(); i < count; ++i) {
    ChannelCore* const channel = cases_[i].by_address->channel;
    if (channel != locked && locked != nullptr) unlock(*locked);
    locked = channel;
  }
  if (locked != nullptr) unlock(*locked);
}

std::size_t Selection::try_locked() {
  shuffle();
  for (const SelectCase& place : cases_) {
    SelectCase& one = *place.in_turn;
    if (one.channel == nullptr) continue;
    const Attempt tried =
        attempt(one, one.channel->receivers_.word.load(std::memory_order_relaxed));
    if (tried.done == Done::kMustWait) continue;
    unlock_all();
    if (tried.partner) resume(tried.partner);
    return finish(one, tried.done);
  }
  return kNoCase;
}

std::size_t Selection::try_all() {
  lock_all();
  const std::size_t done = try_locked();
  if (done == kNoCase) unlock_all();
  return done;
}

void Selection::begin_wait(WakeToken token) noexcept {
  for (SelectCase& one : cases_) {
    static_assert(sizeof(ChannelWaiter) <= sizeof(one.waiter) && alignof(ChannelWaiter) <= 8);
    ChannelWaiter& waiter = *::new (static_cast<void*>(one.waiter)) ChannelWaiter;
    if (one.channel == nullptr) continue;
    waiter.token = token;
    waiter.item = one.item;
    WaitQueue(list_of(one)).push_back(waiter);
  }
}

std::size_t Selection::end_wait(Wake reason, const WakeToken& token) noexcept {
  for (SelectCase& one : cases_) {
    if (one.channel == nullptr) continue;
    ChannelWaiter& waiter = waiter_of(one);
    // Only its waker writes that, and a fiber has been resumed after it.
    if (reason == Wake::kNormal && !is_thread(token) && waiter.served) continue;
    lock(*one.channel);
    if (waiter.linked) WaitQueue(list_of(one)).remove(waiter);
    unlock(*one.channel);
  }
  for (SelectCase& one : cases_) {
    if (waiter_of(one).served) return static_cast<std::size_t>(&one - cases_.data());
  }
  return kNoCase;
}

std::size_t Selection::wait(Nanos deadline) {
  for (;;) {
    const WakeToken token = current_token(WaitsFor::kSelect);  // may throw, with nothing locked
    lock_all();
    if (const std::size_t done = try_locked(); done != kNoCase) return done;
    begin_wait(token);
    const Arm arm = [](void* self) noexcept { static_cast<Selection*>(self)->unlock_all(); };
    Wake reason;
    try {
      reason = deadline == kNever ? suspend(arm, this) : suspend_until(deadline, arm, this);
    } catch (...) {  // no memory for the timer, and nothing has been done
      unlock_all();
      end_wait(Wake::kCancelled, token);
      throw;
    }
    const std::size_t served = end_wait(reason, token);
    if (reason == Wake::kNormal) return served;
    if (reason == Wake::kCancelled) throw Cancelled();
    if (reason == Wake::kTimeout) return kNoCase;
    // A channel was closed: now it is ready, if another is not, too.
  }
}

std::size_t select_case(std::span<SelectCase> cases, std::int64_t deadline) {
  Selection selection(cases);
  const std::size_t done = selection.try_each();
  return done != kNoCase ? done : selection.wait(deadline);
}

std::size_t select_case_now(std::span<SelectCase> cases) {
  Selection selection(cases);
  const std::size_t done = selection.try_each();
  return done != kNoCase ? done : selection.try_all();
}

}  // namespace weft::detail
