// Goal: Idle's books are right: who sleeps, who searches, who is to be woken, and how whoever wakes
// counts. Method: every operation by hand, from one thread, since each is atomic by its lock or its
// word. That no wake-up is lost between threads is the parking stress test's.

#include "sched/idle.h"

#include <gtest/gtest.h>

namespace weft::detail {
namespace {

constexpr bool kSearching = true;
constexpr bool kNotSearching = false;

TEST(Idle, EverybodyIsAwakeAtFirst) {
  Idle idle(3);
  EXPECT_EQ(idle.awake(), 3u);
  EXPECT_EQ(idle.searching(), 0u);
  EXPECT_EQ(idle.pick(), Idle::kNobody);
  EXPECT_EQ(idle.pick_any(), Idle::kNobody);
  EXPECT_FALSE(idle.pick(1));
}

// ---- Searching.

TEST(Idle, NoMoreThanHalfOfThoseAwakeSearch) {
  Idle idle(4);
  EXPECT_TRUE(idle.begin_search());
  EXPECT_TRUE(idle.begin_search());
  EXPECT_FALSE(idle.begin_search());
  EXPECT_EQ(idle.searching(), 2u);
  EXPECT_FALSE(idle.end_search());
  EXPECT_TRUE(idle.begin_search());
}

TEST(Idle, SleepersDoNotRaiseTheLimit) {
  Idle idle(4);
  EXPECT_TRUE(idle.announce(0, kNotSearching, false));
  EXPECT_TRUE(idle.announce(1, kNotSearching, false));
  EXPECT_TRUE(idle.begin_search());
  EXPECT_FALSE(idle.begin_search());
}

TEST(Idle, TheOnlyOneAwakeMaySearch) {
  Idle idle(2);
  EXPECT_TRUE(idle.announce(1, kNotSearching, false));
  EXPECT_TRUE(idle.begin_search());
}

TEST(Idle, LastToEndItsSearchIsTold) {
  Idle idle(4);
  ASSERT_TRUE(idle.begin_search());
  ASSERT_TRUE(idle.begin_search());
  EXPECT_FALSE(idle.end_search());
  EXPECT_TRUE(idle.end_search());
  EXPECT_EQ(idle.searching(), 0u);
}

// ---- Falling asleep.

TEST(Idle, AnnouncingCountsAsAsleep) {
  Idle idle(2);
  EXPECT_TRUE(idle.announce(0, kNotSearching, false));
  EXPECT_EQ(idle.awake(), 1u);
  EXPECT_TRUE(idle.announce(1, kNotSearching, false));
  EXPECT_EQ(idle.awake(), 0u);
}

TEST(Idle, WhoGivesUpSearchingIsCountedOff) {
  Idle idle(2);
  ASSERT_TRUE(idle.begin_search());
  EXPECT_TRUE(idle.announce(0, kSearching, false));
  EXPECT_EQ(idle.searching(), 0u);
  EXPECT_EQ(idle.awake(), 1u);
}

TEST(Idle, OnlyWhoLeavesNobodySearchingMustLookEverywhere) {
  Idle idle(4);
  ASSERT_TRUE(idle.begin_search());
  ASSERT_TRUE(idle.begin_search());
  EXPECT_FALSE(idle.announce(0, kNotSearching, false)) << "two search for it";
  EXPECT_FALSE(idle.announce(1, kSearching, false)) << "one searches on";
  EXPECT_TRUE(idle.announce(2, kSearching, false)) << "the last to give up";
  EXPECT_TRUE(idle.announce(3, kNotSearching, false)) << "nobody searched";
}

// ---- Leaving by itself.

TEST(Idle, SleeperThatLeavesByItselfIsAwakeAndNoSearcher) {
  Idle idle(2);
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  EXPECT_EQ(idle.leave(0), Idle::Left::kByItself);
  EXPECT_EQ(idle.awake(), 2u);
  EXPECT_EQ(idle.searching(), 0u);
  EXPECT_EQ(idle.pick(), Idle::kNobody) << "it is in the list no more";
  EXPECT_TRUE(idle.announce(0, kNotSearching, false)) << "and may come back";
}

TEST(Idle, LeavingFromTheMiddleKeepsTheOthersInOrder) {
  Idle idle(3);
  for (unsigned worker = 0; worker < 3; ++worker) {
    ASSERT_TRUE(idle.announce(worker, kNotSearching, false));
  }
  EXPECT_EQ(idle.leave(1), Idle::Left::kByItself);
  EXPECT_EQ(idle.pick(), 2);
  EXPECT_TRUE(idle.end_search());
  EXPECT_EQ(idle.pick(), 0);
}

// ---- Waking for work.

TEST(Idle, LastToFallAsleepIsWokenFirst) {
  Idle idle(3);
  ASSERT_TRUE(idle.announce(2, kNotSearching, false));
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  EXPECT_EQ(idle.pick(), 0);
}

TEST(Idle, WhoIsPickedCountsAsAwakeAndSearchingAtOnce) {
  Idle idle(2);
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  ASSERT_TRUE(idle.announce(1, kNotSearching, false));
  ASSERT_EQ(idle.pick(), 1);
  EXPECT_EQ(idle.awake(), 1u);
  EXPECT_EQ(idle.searching(), 1u);
  EXPECT_EQ(idle.leave(1), Idle::Left::kToSearch);
  EXPECT_EQ(idle.awake(), 1u) << "leaving does not count it again";
  EXPECT_EQ(idle.searching(), 1u);
  EXPECT_TRUE(idle.end_search());
}

TEST(Idle, NobodyIsPickedWhileSomebodySearches) {
  Idle idle(3);
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  ASSERT_TRUE(idle.announce(1, kNotSearching, false));
  ASSERT_TRUE(idle.begin_search());
  EXPECT_EQ(idle.pick(), Idle::kNobody);
  ASSERT_TRUE(idle.end_search());
  EXPECT_EQ(idle.pick(), 1);
  EXPECT_EQ(idle.pick(), Idle::kNobody) << "that one searches now";
}

TEST(Idle, RescuePicksAlthoughSomebodySearches) {
  Idle idle(2);
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  ASSERT_TRUE(idle.begin_search());
  EXPECT_EQ(idle.pick_any(), 0);
  EXPECT_EQ(idle.searching(), 2u);
  EXPECT_EQ(idle.leave(0), Idle::Left::kToSearch);
  EXPECT_EQ(idle.pick_any(), Idle::kNobody);
}

// ---- Waking for an inbox.

TEST(Idle, SleeperIsPickedForItsInboxOnceAndIsNoSearcher) {
  Idle idle(2);
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  EXPECT_TRUE(idle.pick(0));
  EXPECT_EQ(idle.awake(), 2u);
  EXPECT_EQ(idle.searching(), 0u);
  EXPECT_FALSE(idle.pick(0)) << "it is on its way";
  EXPECT_EQ(idle.pick(), Idle::kNobody);
  EXPECT_EQ(idle.leave(0), Idle::Left::kForInbox);
  EXPECT_EQ(idle.awake(), 2u);
}

TEST(Idle, InboxOfAnotherWakesNoSleeper) {
  Idle idle(3);
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  EXPECT_FALSE(idle.pick(1)) << "awake: it will look";
  EXPECT_EQ(idle.awake(), 2u);
  EXPECT_EQ(idle.leave(0), Idle::Left::kByItself);
}

TEST(Idle, SleeperIsPickedForItsInboxAlthoughSomebodySearches) {
  Idle idle(2);
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  ASSERT_TRUE(idle.begin_search());
  EXPECT_TRUE(idle.pick(0)) << "nobody else can run what is in there";
  EXPECT_EQ(idle.leave(0), Idle::Left::kForInbox);
}

TEST(Idle, WhoWasPickedToSearchIsNotPickedForItsInboxToo) {
  Idle idle(2);
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  ASSERT_EQ(idle.pick(), 0);
  EXPECT_FALSE(idle.pick(0));
  EXPECT_EQ(idle.leave(0), Idle::Left::kToSearch);
  EXPECT_EQ(idle.awake(), 2u);
}

TEST(Idle, CountsAreRightAgainAfterManyTurns) {
  Idle idle(4);
  for (int turn = 0; turn < 1000; ++turn) {
    for (unsigned worker = 0; worker < 4; ++worker) {
      const bool searches = idle.begin_search();
      static_cast<void>(idle.announce(worker, searches, false));
    }
    ASSERT_EQ(idle.awake(), 0u);
    ASSERT_EQ(idle.searching(), 0u);
    const int picked = idle.pick();
    ASSERT_EQ(picked, 3);
    ASSERT_TRUE(idle.pick(1));
    ASSERT_EQ(idle.leave(0), Idle::Left::kByItself);
    ASSERT_EQ(idle.leave(1), Idle::Left::kForInbox);
    ASSERT_EQ(idle.leave(3), Idle::Left::kToSearch);
    ASSERT_TRUE(idle.end_search());
    ASSERT_EQ(idle.leave(2), Idle::Left::kByItself);
    ASSERT_EQ(idle.awake(), 4u);
  }
}

// ---- What cannot be.

TEST(IdleDeathTest, BrokenBooksAbort) {
  Idle idle(2);
  EXPECT_DEATH(static_cast<void>(idle.end_search()), "every end of a search had its beginning");
  EXPECT_DEATH(static_cast<void>(idle.leave(0)), "only who announced itself leaves");
  ASSERT_TRUE(idle.announce(0, kNotSearching, false));
  EXPECT_DEATH(static_cast<void>(idle.announce(0, kNotSearching, false)), "announces itself once");
}

}  // namespace
}  // namespace weft::detail
