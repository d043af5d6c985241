// 200 fibers that use libpq as threads would, a connection each, and the books that they keep.

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>

#include "beat.h"
#include "postgres.h"
#include "postgres_server.h"

namespace {

using porting::Answer;
using porting::Connection;

constexpr int kFibers = 200, kTransactions = 50, kAccounts = 1000, kBalance = 1000;

class PostgresLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    porting::go_before_servers();
    std::string why;
    server_ = porting::PostgresServer::start(why);
    if (server_ == nullptr) return porting::lacking(why);
    const Connection connection = porting::connect(server_->address() + " sslmode=disable");
    ASSERT_EQ(PQstatus(connection.get()), CONNECTION_OK)
        << PQerrorMessage(connection.get()) << server_->process().last_words();
    const std::string make =
        "create table accounts (id int primary key, balance int not null check (balance >= 0)) "
        "with (fillfactor = 50); create table moves (amount int not null);"
        "insert into accounts select id, " +
        std::to_string(kBalance) + " from generate_series(1, " + std::to_string(kAccounts) + ") id";
    ASSERT_TRUE(done(porting::ask(connection, make))) << PQerrorMessage(connection.get());
  }

  // Accounts are taken in order, so that no two transactions wait for each other.
  static bool transfer(const Connection& connection, int from, int to, int amount) {
    const auto change = [&](int account, int by) {
      const Answer answer =
          porting::ask(connection, "update accounts set balance = balance + " + std::to_string(by) +
                                       " where id = " + std::to_string(account));
      return done(answer) && std::string(PQcmdTuples(answer.get())) == "1";
    };
    const bool in_order = from < to;
    return done(porting::ask(connection, "begin")) &&
           change(in_order ? from : to, in_order ? -amount : amount) &&
           change(in_order ? to : from, in_order ? amount : -amount) &&
           done(porting::ask(connection,
                             "insert into moves values (" + std::to_string(amount) + ")")) &&
           done(porting::ask(connection, "commit"));
  }

  void work(int number) {
    const Connection connection = porting::connect(server_->address() + " sslmode=disable");
    if (PQstatus(connection.get()) != CONNECTION_OK) {
      ADD_FAILURE() << PQerrorMessage(connection.get());
      return;
    }
    std::minstd_rand dice(static_cast<unsigned>(number) + 1);
    for (int i = 0; i < kTransactions; ++i) {
      const int from = 1 + static_cast<int>(dice() % kAccounts);
      const int to = 1 + (from + static_cast<int>(dice() % (kAccounts - 1))) % kAccounts;
      if (transfer(connection, from, to, 1)) {
        ++transfers_;
      } else {
        ADD_FAILURE() << PQerrorMessage(connection.get());
        return;
      }
    }
  }

  void check_books() {
    const Connection connection = porting::connect(server_->address() + " sslmode=disable");
    EXPECT_EQ(value(porting::ask(connection, "select sum(balance) from accounts")),
              std::to_string(kAccounts * kBalance));
    EXPECT_EQ(value(porting::ask(connection, "select sum(amount) from moves")),
              std::to_string(transfers_.load()));
    EXPECT_EQ(transfers_ % (kFibers * kTransactions), 0);
  }

  std::unique_ptr<porting::PostgresServer> server_;
  std::atomic<int> transfers_{0};
};

TEST_F(PostgresLoad, LeavesTheBeatAndTheBooksInOrder) {
  porting::show("libpq, 10,000 transactions by 200 threads",
                porting::beat_beside_threads(kFibers, [&](int number) { work(number); }));
  porting::expect_beat("libpq, 10,000 transactions by 200 fibers", [&] {
    return porting::beat_beside_fibers(kFibers, [&](int number) { work(number); });
  });
  check_books();
}

}  // namespace
