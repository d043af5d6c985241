// libpq in fibers when all is not well: time limits, a server that goes, certificates that are not
// to be trusted.

#include <gtest/gtest.h>
#include <signal.h>
#include <weft/runtime.h>
#include <weft/task_group.h>
#include <weft/to_thread.h>

#include <string>

#include "limited.h"
#include "postgres.h"
#include "postgres_server.h"
#include "silent_server.h"

namespace {

using namespace std::chrono_literals;
using porting::Answer;
using porting::connect;
using porting::Connection;
using porting::PostgresServer;

class Postgres : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = PostgresServer::start(why_); }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    if (server_ == nullptr) porting::lacking(why_);
  }

  static Connection connect_well(const std::string& more = " sslmode=disable") {
    Connection connection = connect(server_->address() + more);
    EXPECT_EQ(PQstatus(connection.get()), CONNECTION_OK) << PQerrorMessage(connection.get());
    return connection;
  }
  static std::string ask(const Connection& connection, const std::string& query) {
    return value(porting::ask(connection, query));
  }
  static void expect_said(const Connection& connection, const std::string& words) {
    const std::string said = PQerrorMessage(connection.get());
    EXPECT_NE(said.find(words), std::string::npos) << said;
  }
  static std::string sleepers(const Connection& connection) {
    return ask(connection,
               "select count(*) from pg_stat_activity "
               "where query like 'select pg_sleep%stale%' and state = 'active'");
  }

  static inline std::unique_ptr<PostgresServer> server_;
  static inline std::string why_;
};

TEST_F(Postgres, QueryEndsInTimeAndTheConnectionCanBeReset) {
  weft::run([] {
    const Connection connection = connect_well();
    const auto descriptors = porting::open_descriptors();
    for (int i = 0; i < 3; ++i) {
      Answer answer;
      porting::expect_timeout([&] { answer = porting::ask(connection, "select pg_sleep(10)"); });
      EXPECT_EQ(PQresultStatus(answer.get()), PGRES_FATAL_ERROR);
      expect_said(connection, "Operation canceled");
      PQreset(connection.get());
      EXPECT_EQ(PQstatus(connection.get()), CONNECTION_OK) << PQerrorMessage(connection.get());
      EXPECT_EQ(ask(connection, "select 42"), "42");
      EXPECT_EQ(porting::open_descriptors(), descriptors);
    }
  });
}

// libpq thinks that the connection is as good as before, so whoever neither resets nor closes it is
// told by the next query what the last one came to. docs/porting.md warns of it.
TEST_F(Postgres, LateAnswerIsTakenForTheNextWithoutReset) {
  weft::run([] {
    const Connection connection = connect_well();
    porting::expect_timeout(
        [&] { porting::ask(connection, "select pg_sleep(0.3)::text || 'late'"); });
    EXPECT_EQ(PQstatus(connection.get()), CONNECTION_OK);
    EXPECT_EQ(PQtransactionStatus(connection.get()), PQTRANS_IDLE);
    EXPECT_EQ(ask(connection, "select 'fresh'"), "late");
    PQreset(connection.get());
    EXPECT_EQ(ask(connection, "select 'fresh'"), "fresh");
  });
}

// And the server goes on with the query until it is told.
TEST_F(Postgres, QueryThatWasLeftIsCancelledAtTheServer) {
  weft::run([] {
    const Connection connection = connect_well(), other = connect_well();
    porting::expect_timeout([&] { porting::ask(connection, "select pg_sleep(30), 'stale'"); });
    EXPECT_EQ(sleepers(other), "1");
    PGcancel* const cancel = PQgetCancel(connection.get());
    std::string error(256, '\0');
    EXPECT_EQ(PQcancel(cancel, error.data(), 256), 1) << error;
    PQfreeCancel(cancel);
    PQreset(connection.get());
    EXPECT_EQ(ask(connection, "select 'fresh'"), "fresh");
    for (int i = 0; i < 100 && sleepers(other) != "0"; ++i) weft::sleep_for(20ms);
    EXPECT_EQ(sleepers(other), "0");
  });
}

TEST_F(Postgres, TaskThatIsCancelledLeavesItsQuery) {
  weft::run([] {
    const auto descriptors = porting::open_descriptors();
    porting::expect_cancelled([] {
      const Connection connection = connect_well();
      const Answer answer = porting::ask(connection, "select pg_sleep(10)");
      EXPECT_EQ(PQresultStatus(answer.get()), PGRES_FATAL_ERROR);
      // Until the cancellation is thrown, all else that waits fails, too.
      PQreset(connection.get());
      EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
    });
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

TEST_F(Postgres, ConnectionIsRefused) {
  weft::run([] {
    const auto descriptors = porting::open_descriptors();
    const std::string address = "host=127.0.0.1 port=" + std::to_string(porting::free_port());
    for (int i = 0; i < 3; ++i) {
      const Connection connection = connect(address);
      EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
      expect_said(connection, "Connection refused");
    }
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

TEST_F(Postgres, ServerNeverAnswers) {
  weft::run([] {
    const porting::SilentServer silent;
    const std::string address = "host=127.0.0.1 port=" + std::to_string(silent.port());
    const auto descriptors = porting::open_descriptors();
    porting::expect_timeout([&] {
      const Connection connection = connect(address);
      EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
      expect_said(connection, "Operation canceled");
    });
    {
      // By libpq's own limit, whose least is 2 s.
      const Connection connection = connect(address + " connect_timeout=2");
      EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
      expect_said(connection, "timeout expired");
    }
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

// Far more than a socket's buffers hold, both ways.
TEST_F(Postgres, CopiesMuchBothWays) {
  weft::run([] {
    weft::task_group([](weft::TaskGroup& group) {
      for (int number = 0; number < 4; ++number) {
        group.spawn([number] {
          constexpr int kLines = 20'000;
          const Connection connection = connect_well();
          porting::ask(connection, "create temporary table lines (line text)");
          porting::ask(connection, "copy lines from stdin");
          const std::string line = std::string(200, static_cast<char>('a' + number)) + "\n";
          for (int i = 0; i < kLines; ++i) {
            ASSERT_EQ(PQputCopyData(connection.get(), line.data(), static_cast<int>(line.size())),
                      1);
          }
          ASSERT_EQ(PQputCopyEnd(connection.get(), nullptr), 1);
          while (const Answer answer{PQgetResult(connection.get())}) EXPECT_TRUE(done(answer));
          EXPECT_EQ(ask(connection, "select count(distinct line) || ' ' || count(*) from lines"),
                    "1 " + std::to_string(kLines));
          porting::ask(connection, "copy lines to stdout");
          int lines = 0;
          for (char* row = nullptr; PQgetCopyData(connection.get(), &row, 0) > 0; ++lines) {
            EXPECT_EQ(row, line);
            PQfreemem(row);
          }
          EXPECT_EQ(lines, kLines);
        });
      }
    });
  });
}

TEST_F(Postgres, PipelinesQueries) {
  weft::run([] {
    const Connection connection = connect_well();
    ASSERT_EQ(PQenterPipelineMode(connection.get()), 1);
    constexpr int kQueries = 300;
    for (int i = 0; i < kQueries; ++i) {
      const std::string query = "select " + std::to_string(i);
      ASSERT_EQ(PQsendQueryParams(connection.get(), query.c_str(), 0, nullptr, nullptr, nullptr,
                                  nullptr, 0),
                1);
    }
    ASSERT_EQ(PQpipelineSync(connection.get()), 1);
    for (int i = 0; i < kQueries; ++i) {
      EXPECT_EQ(value(Answer(PQgetResult(connection.get()))), std::to_string(i));
      EXPECT_EQ(PQgetResult(connection.get()), nullptr);
    }
    EXPECT_EQ(PQresultStatus(Answer(PQgetResult(connection.get())).get()), PGRES_PIPELINE_SYNC);
  });
}

TEST_F(Postgres, SpeaksTlsToWhoIsTrusted) {
  weft::run([] {
    const Connection trusting = connect_well(" sslmode=verify-full sslrootcert=" + server_->ca());
    EXPECT_EQ(ask(trusting, "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()"),
              "true");
    porting::expect_timeout([&] { porting::ask(trusting, "select pg_sleep(10)"); });
    const Connection wary =
        connect(server_->address() + " sslmode=verify-full sslrootcert=" + server_->other_ca());
    EXPECT_EQ(PQstatus(wary.get()), CONNECTION_BAD);
    expect_said(wary, "certificate verify failed");
  });
}

// The last, as the server is another afterwards.
TEST_F(Postgres, ServerIsKilledInMidQuery) {
  Connection connection;
  weft::run([&] {
    connection = connect_well();
    auto killer = weft::spawn([] {
      weft::sleep_for(200ms);
      weft::to_thread([] { server_->process().end(SIGQUIT); });
    });
    const Answer answer = porting::ask(connection, "select pg_sleep(10)");
    EXPECT_EQ(PQresultStatus(answer.get()), PGRES_FATAL_ERROR);
    killer.get();
    EXPECT_EQ(PQresultStatus(porting::ask(connection, "select 1").get()), PGRES_FATAL_ERROR);
    EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
    PQreset(connection.get());
    EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
    expect_said(connection, "Connection refused");
  });
  ASSERT_TRUE(server_->start_again());
  weft::run([&] {
    PQreset(connection.get());
    EXPECT_EQ(ask(connection, "select 42"), "42");
  });
}

}  // namespace
