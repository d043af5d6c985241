#include "base/worker_party.h"

#include <weft/detail/solo.h>
#include <algorithm>

#include "base/party.h"

namespace weft::detail {

namespace {

#if defined(WEFT_MODEL)
constexpr unsigned kLeastPatience = 1;
#else
constexpr unsigned kLeastPatience = 16;
#endif
constexpr unsigned kMostPatience = 4096;
constexpr unsigned kWorthwhile = 256;  // so many looks as the solo thread

bool seems_solo() noexcept { return party() == Party::kSolo; }

}  // namespace

void WorkerParty::begin(bool may, std::uint32_t id, OthersSleep others_sleep,
                        const void* runtime) noexcept {
  may_ = may;
  if (!may_) return;
  count_as_worker(true);
  id_ = id;
  others_sleep_ = others_sleep;
  runtime_ = runtime;
  look_around();
  patience_ = kLeastPatience;
}

void WorkerParty::end() noexcept {
  if (!may_) return leave_party();
  if (seems_solo()) solo_of_process().end(id_);
  begin_as_newcomer();
  count_as_worker(false);
}

void WorkerParty::arrive() noexcept {
  if (party() == Party::kNewcomer) become_one_of_many();
}

void WorkerParty::settle() const noexcept {
  if (may_) solo_of_process().settle(id_);
}

void WorkerParty::wake_up() noexcept {
  if (may_ && !(seems_solo() && solo_of_process().is(id_))) begin_as_newcomer();
}

void WorkerParty::look_around_slowly() noexcept {
  if (seems_solo()) {
    if (solo_of_process().is(id_)) {
      ++looks_as_solo_;
      return;
    }
    change_words_by(nullptr);
  }
  if (was_solo_) learn_from_end();
  if (!others_sleep_(runtime_) || !solo_is_prepared()) {
    seen_alone_ = 0;
  } else if (++seen_alone_ >= patience_) {
    seen_alone_ = 0;
    begin_solo();
  }
}

void WorkerParty::begin_solo() noexcept {
  const auto others_sleep = [this]() noexcept { return others_sleep_(runtime_); };
  if (!solo_of_process().begin(id_, others_sleep)) return;
  change_words_by(&solo_of_process());
  was_solo_ = true;
  looks_as_solo_ = 0;
}

void WorkerParty::learn_from_end() noexcept {
  was_solo_ = false;
  const bool paid = looks_as_solo_ >= kWorthwhile;
  patience_ =
      paid ? std::max(kLeastPatience, patience_ / 2) : std::min(kMostPatience, 2 * patience_);
}

}  // namespace weft::detail
