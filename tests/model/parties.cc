#include "parties.h"

namespace support {

namespace {

House* g_house = nullptr;

Thread* self() { return static_cast<Thread*>(model::local()); }

}  // namespace

House::House() noexcept { g_house = this; }
House::~House() { g_house = nullptr; }

Thread::Thread() noexcept { model::local() = this; }
Thread::~Thread() { model::local() = nullptr; }

void Worker::wake_up() {
  house_.awake.fetch_add(1, std::memory_order_seq_cst);
  if (begun_) {
    party_.wake_up();
    return;
  }
  begun_ = true;
  const auto others_sleep = [](const void* house) noexcept {
    return static_cast<const House*>(house)->awake.load(std::memory_order_seq_cst) == 1;
  };
  party_.begin(true, id_, others_sleep, &house_);
}

void Worker::fall_asleep() {
  house_.awake.fetch_sub(1, std::memory_order_seq_cst);
  party_.settle();
}

}  // namespace support

namespace weft::detail {

using support::g_house;
using support::self;
using Kind = support::Thread::Kind;

// A newcomer would find at once that it is one.
Solo* solo_of_this_thread() noexcept {
  if (self() == nullptr) return nullptr;
  if (party() == Party::kNewcomer) become_one_of_many();
  return party() == Party::kSolo ? &g_house->solo : nullptr;
}

void become_one_of_many() noexcept {
  if (party() == Party::kNewcomer) {
    const bool stays = self()->kind != Kind::kWorker;
    g_house->solo.come(stays ? Solo::Stay::kForGood : Solo::Stay::kWhileAwake);
    if (stays) self()->kind = Kind::kHasCome;
  }
  self()->party = Party::kOneOfMany;
}

void leave_party() noexcept {
  if (self()->kind != Kind::kHasCome) return;
  self()->kind = Kind::kPlain;
  begin_as_newcomer();
  g_house->solo.leave();
}

Party party() noexcept { return self()->party; }
Solo& solo_of_process() noexcept { return g_house->solo; }
bool solo_is_prepared() noexcept { return true; }
void change_words_by(Solo* solo) noexcept {
  self()->party = solo != nullptr ? Party::kSolo : Party::kOneOfMany;
}
void begin_as_newcomer() noexcept { self()->party = Party::kNewcomer; }
void count_as_worker(bool is_worker) noexcept {
  self()->kind = is_worker ? Kind::kWorker : Kind::kPlain;
}

}  // namespace weft::detail
