// Many tasks share few connections to PostgreSQL, by libpq as it is: the program is linked with
// weft_hook, so a call that waits for the server suspends the task that makes it, and no thread.
//
//   20_postgres_pool CONNECTION      for example "host=localhost user=postgres dbname=test"

#include <libpq-fe.h>
#include <weft/error.h>
#include <weft/runtime.h>
#include <weft/semaphore.h>
#include <weft/task.h>
#include <weft/task_group.h>
#include <weft/timeout.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

struct Free {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Free>;
using Result = std::unique_ptr<PGresult, Free>;

Result query(const Connection& connection, const std::string& text) {
  Result result(PQexec(connection.get(), text.c_str()));
  weft::yield();  // where a time limit, or a cancellation, that ended the call is thrown
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(PQerrorMessage(connection.get()));
  }
  return result;
}

class Pool {
 public:
  Pool(std::string address, std::size_t size)
      : address_(std::move(address)), permits_(size), idle_(size) {}

  /// Calls `use` with a connection, and waits for one if all are in use. One that something has
  /// gone wrong with is closed: nobody knows what the server still has to say on it.
  template <class F>
  auto with(F use) {
    const auto permit = permits_.hold();
    Loan loan{*this, take()};
    if (loan.connection == nullptr) loan.connection = connect();
    auto result = use(loan.connection);
    loan.well = true;
    return result;
  }

  int connected() const { return connected_; }

 private:
  struct Loan {
    Pool& pool;
    Connection connection;
    bool well = false;

    ~Loan() {
      if (!well) connection.reset();
      const std::lock_guard lock(pool.mutex_);
      pool.idle_.push_back(std::move(connection));
    }
  };

  Connection take() {
    const std::lock_guard lock(mutex_);
    Connection connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  Connection connect() {
    Connection connection(PQconnectdb(address_.c_str()));
    weft::yield();
    if (PQstatus(connection.get()) != CONNECTION_OK) {
      throw std::runtime_error(PQerrorMessage(connection.get()));
    }
    ++connected_;
    return connection;
  }

  const std::string address_;
  weft::Semaphore permits_;
  std::atomic<int> connected_{0};
  std::mutex mutex_;              // held for a moment, and never while anybody waits
  std::vector<Connection> idle_;  // null: not connected yet
};

void move_money(const Connection& connection, int from, int to) {
  // In the order of the accounts, or two that cross would wait for each other.
  const int first = std::min(from, to), second = std::max(from, to);
  const auto change = [&](int account) {
    query(connection, std::string("update weft_accounts set balance = balance ") +
                          (account == from ? "- 1" : "+ 1") +
                          " where id = " + std::to_string(account));
  };
  query(connection, "begin");
  change(first);
  change(second);
  query(connection, "commit");
}

void run(const std::string& address) {
  Pool pool(address, 8);
  const auto ask = [&](const std::string& text) {
    return pool.with([&](const Connection& connection) { return query(connection, text); });
  };
  ask("set client_min_messages = warning; drop table if exists weft_accounts");
  ask("create table weft_accounts as select id, 100 as balance from generate_series(0, 99) id");

  weft::task_group([&](weft::TaskGroup& group) {
    for (int i = 0; i < 500; ++i) {
      group.spawn([&pool, i] {
        pool.with([i](const Connection& connection) {
          move_money(connection, i % 100, (i * 7 + 1) % 100);
          return true;
        });
      });
    }
  });
  const Result sum = ask("select sum(balance) from weft_accounts");
  std::printf("500 transfers over %d connections, %s in all accounts\n", pool.connected(),
              PQgetvalue(sum.get(), 0, 0));

  try {
    weft::timeout(200ms, [&] { ask("select pg_sleep(10)"); });
  } catch (const weft::TimeoutError&) {
    std::printf("a slow query was given up\n");
  }
  // Until all have been lent once, the one that was closed among them.
  weft::task_group([&](weft::TaskGroup& group) {
    for (int i = 0; i < 8; ++i) group.spawn([&] { ask("select pg_sleep(0.1)"); });
  });
  ask("drop table weft_accounts");
  std::printf("and its connection replaced: %d were made\n", pool.connected());
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CONNECTION\n", argv[0]);
    return 2;
  }
  try {
    weft::run([&] { run(argv[1]); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
