// hiredis in fibers when all is not well: time limits, and a server that goes.

#include <gtest/gtest.h>
#include <signal.h>
#include <weft/runtime.h>
#include <weft/task_group.h>
#include <weft/to_thread.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "limited.h"
#include "redis.h"
#include "redis_server.h"
#include "silent_server.h"

namespace {

using namespace std::chrono_literals;
using porting::ask;
using porting::connect_redis;
using porting::Redis;
using porting::RedisServer;
using porting::Reply;

class RedisTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = RedisServer::start(why_); }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    if (server_ == nullptr) porting::lacking(why_);
  }

  static Redis connect_well() {
    Redis redis = connect_redis(server_->port());
    EXPECT_EQ(redis->err, 0) << redis->errstr;
    return redis;
  }
  static void expect_failed(const Redis& redis, const std::string& words) {
    EXPECT_EQ(redis->err, REDIS_ERR_IO);
    EXPECT_STREQ(redis->errstr, words.c_str());
  }

  static inline std::unique_ptr<RedisServer> server_;
  static inline std::string why_;
};

TEST_F(RedisTest, CommandEndsInTimeAndTheContextReconnects) {
  weft::run([] {
    const Redis redis = connect_well();
    const auto descriptors = porting::open_descriptors();
    for (int i = 0; i < 3; ++i) {
      porting::expect_timeout([&] { EXPECT_EQ(ask(redis, "BLPOP nothing 0"), nullptr); });
      expect_failed(redis, "Operation canceled");
      // It says so until it is connected anew.
      EXPECT_EQ(ask(redis, "PING"), nullptr);
      ASSERT_EQ(redisReconnect(redis.get()), REDIS_OK);
      EXPECT_EQ(porting::number(ask(redis, "INCRBY works 0")), 0);
      EXPECT_EQ(porting::open_descriptors(), descriptors);
    }
  });
}

TEST_F(RedisTest, TaskThatIsCancelledLeavesItsCommand) {
  weft::run([] {
    const auto descriptors = porting::open_descriptors();
    porting::expect_cancelled([] {
      const Redis redis = connect_well();
      EXPECT_EQ(ask(redis, "BLPOP nothing 0"), nullptr);
      expect_failed(redis, "Operation canceled");
    });
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

TEST_F(RedisTest, ItsOwnLimitHoldsForOneFiberAlone) {
  weft::run([] {
    const Redis hasty = connect_well(), patient = connect_well();
    ASSERT_EQ(redisSetTimeout(hasty.get(), {0, 100'000}), REDIS_OK);
    auto waiting = weft::spawn([&] { return ask(patient, "BLPOP later 0"); });
    EXPECT_EQ(ask(hasty, "BLPOP nothing 0"), nullptr);
    expect_failed(hasty, "Resource temporarily unavailable");
    EXPECT_FALSE(waiting.done());
    const Redis other = connect_well();
    EXPECT_EQ(porting::number(ask(other, "RPUSH later word")), 1);
    const Reply popped = std::move(waiting).get();
    ASSERT_NE(popped, nullptr);
    ASSERT_EQ(popped->elements, 2U);
    EXPECT_STREQ(popped->element[1]->str, "word");
  });
}

TEST_F(RedisTest, SubscribersHearInOrder) {
  weft::run([] {
    static constexpr int kSubscribers = 8, kMessages = 200;
    weft::task_group([](weft::TaskGroup& group) {
      for (int i = 0; i < kSubscribers; ++i) {
        group.spawn([] {
          const Redis redis = connect_well();
          EXPECT_NE(ask(redis, "SUBSCRIBE news"), nullptr);
          for (int expected = 0; expected < kMessages; ++expected) {
            const Reply message = porting::next_reply(redis);
            ASSERT_NE(message, nullptr);
            EXPECT_EQ(message->element[2]->str, std::to_string(expected));
          }
        });
      }
      const Redis redis = connect_well();
      const auto subscribers = [&] {
        const Reply counted = ask(redis, "PUBSUB NUMSUB news");
        return counted->element[1]->integer;
      };
      while (subscribers() < kSubscribers) weft::sleep_for(5ms);
      for (int i = 0; i < kMessages; ++i) {
        EXPECT_EQ(porting::number(ask(redis, "PUBLISH news " + std::to_string(i))), kSubscribers);
      }
    });
  });
}

// libstdc++ reads by a call that is hooked, and closes by one of libc's own that is not.
TEST_F(RedisTest, NumberOfAFileThatWasReadIsASocketNext) {
  weft::run([] {
    std::ifstream file("/proc/self/status");
    std::string line;
    ASSERT_TRUE(std::getline(file, line));
    file.close();
    weft::timeout(5s, [] {
      const Redis redis = connect_well();
      EXPECT_EQ(porting::number(ask(redis, "INCRBY works 0")), 0);
      weft::yield();
    });
  });
}

TEST_F(RedisTest, LargeValuesComeBackAsTheyWent) {
  weft::run([] {
    const Redis redis = connect_well();
    std::string sent(8'000'000, '\0');
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 >> 3);
    const Reply set{static_cast<redisReply*>(
        redisCommand(redis.get(), "SET large %b", sent.data(), sent.size()))};
    ASSERT_NE(set, nullptr) << redis->errstr;
    const Reply got = ask(redis, "GET large");
    ASSERT_NE(got, nullptr) << redis->errstr;
    EXPECT_TRUE(std::string(got->str, static_cast<std::size_t>(got->len)) == sent);
  });
}

TEST_F(RedisTest, ConnectionIsRefusedOrNeverAnswered) {
  weft::run([] {
    const auto descriptors = porting::open_descriptors();
    expect_failed(connect_redis(porting::free_port()), "Connection refused");
    {
      const porting::SilentServer silent;
      const Redis redis = connect_redis(silent.port());
      EXPECT_EQ(redis->err, 0);
      porting::expect_timeout([&] { EXPECT_EQ(ask(redis, "PING"), nullptr); });
    }
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

// The last, as the server is another afterwards.
TEST_F(RedisTest, ServerIsKilledInMidCommand) {
  Redis redis;
  weft::run([&] {
    redis = connect_well();
    auto killer = weft::spawn([] {
      weft::sleep_for(100ms);
      weft::to_thread([] { server_->process().end(SIGKILL); });
    });
    EXPECT_EQ(ask(redis, "BLPOP nothing 0"), nullptr);
    EXPECT_EQ(redis->err, REDIS_ERR_EOF);
    killer.get();
    EXPECT_EQ(redisReconnect(redis.get()), REDIS_ERR);
  });
  ASSERT_TRUE(server_->start_again());
  weft::run([&] {
    EXPECT_EQ(redisReconnect(redis.get()), REDIS_OK);
    EXPECT_EQ(porting::number(ask(redis, "INCR anew")), 1);
  });
}

}  // namespace
