// Goal: the word takes every transition of its diagram and refuses every other one. Method: one
// word, moved by hand into each state; what races is left to the stress test.

#include "fiber/wait_word.h"

#include <gtest/gtest.h>

namespace weft::detail {
namespace {

using Cancel = WaitWord::Cancel;

class WaitWordTest : public testing::Test {
 protected:
  void wait(Cancellable cancellable = Cancellable::kYes) {
    ASSERT_TRUE(word_.publish(cancellable));
    ASSERT_TRUE(word_.waiting());
  }
  void cancel() { ASSERT_NE(word_.cancel(word_.current_epoch()), Cancel::kStale); }

  WaitWord word_;
};

TEST_F(WaitWordTest, StartsOutRunningWithNothingAskedFor) {
  EXPECT_FALSE(word_.waiting());
  EXPECT_EQ(word_.epoch(), 0u);
  EXPECT_EQ(word_.requests(), 0u);
  EXPECT_FALSE(word_.cancel_pending());
  EXPECT_FALSE(word_.take_pending());
  EXPECT_FALSE(word_.waiting_half().has_value());
}

// ---- Wake.

TEST_F(WaitWordTest, WakeEndsAWaitGivesItsReasonAndMovesTheEpochOn) {
  for (const Cancellable cancellable : {Cancellable::kYes, Cancellable::kNo}) {
    for (const Wake reason : {Wake::kNormal, Wake::kTimeout, Wake::kClosed, Wake::kCancelled}) {
      const Epoch epoch = word_.epoch();
      wait(cancellable);
      EXPECT_EQ(word_.current_epoch(), epoch) << "a wait keeps the epoch at which it began";
      EXPECT_TRUE(word_.wake(epoch, reason));
      EXPECT_FALSE(word_.waiting());
      EXPECT_EQ(word_.reason(), reason);
      EXPECT_EQ(word_.epoch(), epoch + 1);
      EXPECT_EQ(word_.requests(), 0u);
    }
  }
}

TEST_F(WaitWordTest, WakeOfARunningOwnerIsRefused) {
  EXPECT_FALSE(word_.wake(word_.epoch(), Wake::kNormal));
  EXPECT_EQ(word_.epoch(), 0u);
  wait();
  EXPECT_EQ(word_.current_epoch(), 0u) << "a refused wake leaves nothing behind that ends the wait";
}

TEST_F(WaitWordTest, SecondWakeOfOneWaitIsRefusedAndChangesNothing) {
  wait();
  EXPECT_TRUE(word_.wake(0, Wake::kTimeout));
  EXPECT_FALSE(word_.wake(0, Wake::kNormal));
  EXPECT_EQ(word_.reason(), Wake::kTimeout);
  EXPECT_EQ(word_.epoch(), 1u);
}

TEST_F(WaitWordTest, WakeWithAnOlderEpochIsRefused) {
  wait();
  ASSERT_TRUE(word_.wake(0, Wake::kNormal));
  wait();
  EXPECT_FALSE(word_.wake(0, Wake::kNormal));
  EXPECT_TRUE(word_.waiting());
  EXPECT_TRUE(word_.wake(1, Wake::kNormal));
}

TEST_F(WaitWordTest, WakeWithANewerEpochIsRefused) {
  wait();
  EXPECT_FALSE(word_.wake(1, Wake::kNormal));
  EXPECT_TRUE(word_.waiting());
}

// ---- Cancel.

TEST_F(WaitWordTest, CancelEndsACancellableWaitAndLeavesNothingPending) {
  wait();
  EXPECT_EQ(word_.cancel(0), Cancel::kWoken);
  EXPECT_FALSE(word_.waiting());
  EXPECT_EQ(word_.reason(), Wake::kCancelled);
  EXPECT_EQ(word_.epoch(), 1u);
  EXPECT_EQ(word_.requests(), 1u);
  EXPECT_FALSE(word_.take_pending()) << "one request is delivered once";
}

TEST_F(WaitWordTest, WakeAfterCancelIsRefused) {
  wait();
  ASSERT_EQ(word_.cancel(0), Cancel::kWoken);
  EXPECT_FALSE(word_.wake(0, Wake::kNormal));
  EXPECT_EQ(word_.reason(), Wake::kCancelled);
}

TEST_F(WaitWordTest, CancelOfARunningOwnerStaysPendingUntilItIsTaken) {
  EXPECT_EQ(word_.cancel(0), Cancel::kPending);
  EXPECT_TRUE(word_.cancel_pending());
  EXPECT_EQ(word_.requests(), 1u);
  EXPECT_EQ(word_.epoch(), 0u);
  EXPECT_TRUE(word_.take_pending());
  EXPECT_FALSE(word_.cancel_pending());
  EXPECT_FALSE(word_.take_pending());
  EXPECT_EQ(word_.requests(), 1u) << "delivered, but not taken back";
}

TEST_F(WaitWordTest, CancelOfAMaskedWaitStaysPendingAndTheWaitGoesOn) {
  wait(Cancellable::kNo);
  EXPECT_EQ(word_.cancel(0), Cancel::kPending);
  EXPECT_TRUE(word_.waiting());
  EXPECT_EQ(word_.current_epoch(), 0u);
  EXPECT_TRUE(word_.wake(0, Wake::kNormal));
  EXPECT_EQ(word_.reason(), Wake::kNormal);
  EXPECT_TRUE(word_.cancel_pending()) << "it is for the next wait";
}

TEST_F(WaitWordTest, CancelWithAnOlderEpochDoesNothing) {
  wait();
  ASSERT_TRUE(word_.wake(0, Wake::kNormal));
  EXPECT_EQ(word_.cancel(0), Cancel::kStale);
  EXPECT_EQ(word_.requests(), 0u);
  EXPECT_FALSE(word_.cancel_pending());
  wait();
  EXPECT_EQ(word_.cancel(0), Cancel::kStale);
  EXPECT_TRUE(word_.waiting());
}

TEST_F(WaitWordTest, TwoCancelsWhileRunningAreTwoRequestsAndOneDelivery) {
  cancel();
  cancel();
  EXPECT_EQ(word_.requests(), 2u);
  EXPECT_FALSE(word_.publish(Cancellable::kYes));
  EXPECT_FALSE(word_.cancel_pending());
  wait();
}

// ---- Publish with a cancellation pending.

TEST_F(WaitWordTest, PublishWithACancellationPendingDoesNotWait) {
  cancel();
  EXPECT_FALSE(word_.publish(Cancellable::kYes));
  EXPECT_FALSE(word_.waiting());
  EXPECT_EQ(word_.reason(), Wake::kCancelled);
  EXPECT_EQ(word_.epoch(), 1u) << "the wait is over: whoever holds its token is too late";
  EXPECT_FALSE(word_.wake(0, Wake::kNormal));
  EXPECT_FALSE(word_.cancel_pending());
  EXPECT_EQ(word_.requests(), 1u);
}

TEST_F(WaitWordTest, MaskedPublishWaitsAndLeavesThePendingCancellationAlone) {
  cancel();
  wait(Cancellable::kNo);
  EXPECT_TRUE(word_.wake(0, Wake::kNormal));
  EXPECT_TRUE(word_.cancel_pending());
  EXPECT_FALSE(word_.publish(Cancellable::kYes));
}

TEST_F(WaitWordTest, CancellationThatWasTakenLetsTheNextWaitBegin) {
  cancel();
  ASSERT_TRUE(word_.take_pending());
  wait();
}

using WaitWordDeathTest = WaitWordTest;

TEST_F(WaitWordDeathTest, PublishingTwiceAborts) {
  for (const Cancellable first : {Cancellable::kYes, Cancellable::kNo}) {
    EXPECT_DEATH(
        {
          word_.publish(first);
          word_.publish(Cancellable::kYes);
        },
        "only the owner starts a wait");
  }
}

// ---- Uncancel.

TEST_F(WaitWordTest, UncancelCountsDownAndNotBelowZero) {
  cancel();
  cancel();
  EXPECT_EQ(word_.uncancel(), 1u);
  EXPECT_EQ(word_.uncancel(), 0u);
  EXPECT_EQ(word_.uncancel(), 0u);
  EXPECT_EQ(word_.requests(), 0u);
  EXPECT_EQ(word_.epoch(), 0u);
}

TEST_F(WaitWordTest, UncancelAtZeroDropsThePendingDelivery) {
  cancel();
  EXPECT_EQ(word_.uncancel(), 0u);
  EXPECT_FALSE(word_.cancel_pending());
  wait();
}

TEST_F(WaitWordTest, UncancelAboveZeroKeepsThePendingDelivery) {
  cancel();
  cancel();
  EXPECT_EQ(word_.uncancel(), 1u);
  EXPECT_TRUE(word_.cancel_pending());
}

TEST_F(WaitWordTest, WhatIsToBeToldAgainGoesWithTheLastRequestOnly) {
  const auto drop = [](unsigned) { return true; };
  wait();
  ASSERT_EQ(word_.cancel(0), Cancel::kWoken);
  word_.have_told_again();
  ASSERT_EQ(word_.cancel(1), Cancel::kPending);
  EXPECT_EQ(word_.uncancel_and_drop_if(drop), 1u);
  EXPECT_TRUE(word_.cancel_pending());
  EXPECT_EQ(word_.uncancel_and_drop_if(drop), 0u);
  EXPECT_FALSE(word_.cancel_pending());
  word_.have_told_again();
  EXPECT_FALSE(word_.cancel_pending()) << "nobody asks any more";
}

TEST_F(WaitWordTest, WhatHasBeenToldAgainIsOver) {
  wait();
  ASSERT_EQ(word_.cancel(0), Cancel::kWoken);
  word_.have_told_again();
  EXPECT_TRUE(word_.take_pending());
  word_.have_told_again();
  EXPECT_FALSE(word_.publish(Cancellable::kYes));
  EXPECT_EQ(word_.reason(), Wake::kCancelled);
  ASSERT_EQ(word_.cancel(2), Cancel::kPending);
  EXPECT_EQ(word_.uncancel_and_drop_if([](unsigned) { return true; }), 1u);
  EXPECT_FALSE(word_.cancel_pending());
}

TEST_F(WaitWordTest, UncancelOfADeliveredRequestTouchesNothingElse) {
  wait();
  ASSERT_EQ(word_.cancel(0), Cancel::kWoken);
  EXPECT_EQ(word_.uncancel(), 0u);
  EXPECT_EQ(word_.reason(), Wake::kCancelled);
  EXPECT_EQ(word_.epoch(), 1u);
  EXPECT_FALSE(word_.waiting());
}

TEST_F(WaitWordTest, UncancelDuringAMaskedWaitDoesNotEndIt) {
  wait(Cancellable::kNo);
  cancel();
  EXPECT_EQ(word_.uncancel(), 0u);
  EXPECT_TRUE(word_.waiting());
  EXPECT_TRUE(word_.wake(0, Wake::kNormal));
  EXPECT_FALSE(word_.cancel_pending());
}

TEST_F(WaitWordTest, RequestsStopCountingAtTheirMostAndSpillIntoNothing) {
  constexpr unsigned kMost = 65'535;
  for (unsigned i = 0; i < kMost + 3; ++i) cancel();
  EXPECT_EQ(word_.requests(), kMost);
  EXPECT_EQ(word_.epoch(), 0u);
  EXPECT_TRUE(word_.cancel_pending());
  EXPECT_FALSE(word_.waiting());
  EXPECT_EQ(word_.uncancel(), kMost - 1);

  cancel();
  ASSERT_TRUE(word_.take_pending());
  wait();
  EXPECT_EQ(word_.cancel(0), Cancel::kWoken) << "even when it does not count, it cancels";
  EXPECT_EQ(word_.requests(), kMost);
  EXPECT_EQ(word_.epoch(), 1u);
}

// ---- Reset.

TEST_F(WaitWordTest, ResetStartsAfreshAndMakesOlderEpochsStale) {
  cancel();
  const Epoch before = word_.epoch();
  word_.reset();
  EXPECT_GT(word_.epoch(), before);
  EXPECT_EQ(word_.requests(), 0u);
  EXPECT_FALSE(word_.cancel_pending());
  EXPECT_EQ(word_.reason(), Wake::kNormal);
  EXPECT_EQ(word_.cancel(before), Cancel::kStale);
  wait();
  EXPECT_FALSE(word_.wake(before, Wake::kNormal));
  EXPECT_TRUE(word_.waiting());
}

TEST_F(WaitWordTest, EpochsGoOnFromUseToUse) {
  Epoch last = word_.epoch();
  for (int use = 0; use < 1000; ++use) {
    word_.reset();
    wait();
    ASSERT_TRUE(word_.wake(word_.current_epoch(), Wake::kNormal));
    ASSERT_GT(word_.epoch(), last);
    last = word_.epoch();
  }
}

// ---- For threads.

TEST_F(WaitWordTest, FutexHalfIsWhatTheKernelSeesWhileTheWaitLasts) {
  wait(Cancellable::kNo);
  const auto half = word_.waiting_half();
  ASSERT_TRUE(half.has_value());
  EXPECT_EQ(*half, *static_cast<const std::uint32_t*>(word_.futex_word()));
  ASSERT_TRUE(word_.wake(0, Wake::kNormal));
  EXPECT_NE(*half, *static_cast<const std::uint32_t*>(word_.futex_word()))
      << "a thread about to sleep on the old value must be turned away";
  EXPECT_FALSE(word_.waiting_half().has_value());
}

}  // namespace
}  // namespace weft::detail
