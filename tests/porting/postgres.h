#pragma once

// libpq's handles with owners.

#include <libpq-fe.h>

#include <memory>
#include <string>

namespace porting {

struct FreePostgres {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, FreePostgres>;
using Answer = std::unique_ptr<PGresult, FreePostgres>;

inline Connection connect(const std::string& address) {
  return Connection(PQconnectdb(address.c_str()));
}
inline Answer ask(const Connection& connection, const std::string& query) {
  return Answer(PQexec(connection.get(), query.c_str()));
}
inline bool done(const Answer& answer) {
  const ExecStatusType status = PQresultStatus(answer.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}
/// The only value of the only row, "" if that is not what there is.
inline std::string value(const Answer& answer) {
  const bool one = PQntuples(answer.get()) == 1 && PQnfields(answer.get()) == 1;
  return one ? PQgetvalue(answer.get(), 0, 0) : "";
}

}  // namespace porting
