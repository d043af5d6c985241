// Limits of time, and moving them. Each scenario does what its namesake in timeout.py does.

#include <cmath>

#include "parity/cast.h"

namespace parity {

using cast::block_until;
using cast::overlong;
using cast::timeout;
using weft::TimeoutScope;
using weft::this_task::cancelling;
using TimePoint = TimeoutScope::TimePoint;

static long to_ticks(std::chrono::nanoseconds span) {
  return std::lround(std::chrono::duration<double>(span) / kTick);
}
static long passed(TimePoint since) { return to_ticks(now() - since); }

/// Ticks to the limit; none if there is none.
static std::optional<long> left(const TimeoutScope& scope) {
  if (!scope.when().has_value()) return std::nullopt;
  return to_ticks(*scope.when() - now());
}

SCENARIO(limit_not_reached) {
  const auto body = [] {
    ticks(1);
    return "done";
  };
  attempt("timeout", [&] { return timeout(2, body); });
  attempt("later", [] { ticks(5); });
}

SCENARIO(limit_reached) {
  const auto start = now();
  attempt("timeout", [] { timeout(2, overlong); });
  trace("ticks", passed(start));
  attempt("later", [] { ticks(5); });
}

SCENARIO(expiry_is_a_request_that_is_taken_back) {
  const auto body = [] {
    trace("before", cancelling());
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      trace("in the body", cancelling());
      throw;
    }
  };
  try {
    timeout(2, body);
  } catch (const weft::TimeoutError&) {
    trace("afterwards", cancelling());
  }
}

SCENARIO(value_returned_in_spite_of_the_expiry) {
  const auto body = [](TimeoutScope& scope) {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      trace("swallowed", scope.expired());
    }
    return "all the same";
  };
  attempt("timeout", [&] { return timeout(2, body); });
  trace("cancelling", cancelling());
  attempt("later", [] { ticks(5); });
}

SCENARIO(body_swallows_the_expiry_and_suspends_again) {
  const auto body = [] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      trace("swallowed");
    }
    attempt("again", [] { ticks(7); });
    return "late";
  };
  const auto start = now();
  attempt("timeout", [&] { return timeout(2, body); });
  trace("ticks", passed(start));
}

SCENARIO(body_fails_before_the_limit) {
  const auto body = [] {
    ticks(1);
    throw Failure("a");
  };
  attempt("timeout", [&] { timeout(2, body); });
  attempt("later", [] { ticks(5); });
}

SCENARIO(cleanup_fails_after_the_limit) {
  const auto body = [] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      ticks(1);
      throw Failure("cleanup");
    }
  };
  attempt("timeout", [&] { timeout(2, body); });
  trace("cancelling", cancelling());
}

SCENARIO(cleanup_takes_longer_than_the_limit) {
  const auto body = [] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      ticks(6);
      trace("cleaned up");
      throw;
    }
  };
  const auto start = now();
  attempt("timeout", [&] { timeout(2, body); });
  trace("ticks", passed(start));
}

SCENARIO(body_throws_timeout_error_itself) {
  const auto body = [](TimeoutScope& scope) {
    ticks(1);
    trace("expired", scope.expired());
    throw weft::TimeoutError();
  };
  const auto start = now();
  attempt("timeout", [&] { timeout(5, body); });
  trace("ticks", passed(start), "cancelling", cancelling());
}

SCENARIO(body_throws_cancelled_itself) {
  const auto early = [] {
    ticks(1);
    throw weft::Cancelled();
  };
  attempt("before the limit", [&] { timeout(5, early); });

  const auto late = [] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      trace("swallowed");
    }
    throw weft::Cancelled();
  };
  attempt("after it", [&] { timeout(5, late); });
}

SCENARIO(limit_of_nothing_stops_the_body_where_it_first_suspends) {
  const auto body = [] {
    trace("body starts");
    overlong();
  };
  for (const double count : {0, -3}) {
    const auto start = now();
    attempt("timeout", [&] { timeout(count, body); });
    trace("ticks", passed(start));
  }
  attempt("later", [] { ticks(1); });
}

SCENARIO(limit_of_nothing_around_a_body_that_never_suspends) {
  const auto body = [] { return "quick"; };
  attempt("timeout", [&] { return timeout(0, body); });
  trace("cancelling", cancelling());
  attempt("later", [] { ticks(1); });
}

SCENARIO(body_that_blocks_past_its_limit_returns) {
  const auto body = [] {
    block_until(now() + span(0.02));
    return "blocked";
  };
  attempt("timeout", [&] { return timeout(0.01, body); });
  trace("cancelling", cancelling());
  attempt("later", [] { ticks(1); });
}

SCENARIO(limit_is_a_moment) {
  const auto start = now();
  const auto limit = start + span(3);

  const auto first = [] {
    ticks(2);
    return "in time";
  };
  attempt("first", [&] { return weft::timeout_at(limit, first); });
  attempt("second", [&] { weft::timeout_at(limit, overlong); });
  trace("ticks", passed(start));
}

SCENARIO(limit_is_a_moment_that_has_passed) {
  const auto body = [] {
    trace("body starts");
    overlong();
  };
  const auto start = now();
  attempt("timeout", [&] { weft::timeout_at(start - span(3), body); });
  trace("ticks", passed(start));
}

SCENARIO(each_task_has_its_own_limit) {
  const auto limited = [](const char* name, double limit, double count) {
    return [=] {
      const auto body = [&] {
        ticks(count);
        return name;
      };
      attempt(name, [&] { return timeout(limit, body); });
    };
  };
  weft::gather(limited("a", 5, 9), limited("b", 3, 2), limited("c", 1, 9), limited("d", 9, 7));
}

SCENARIO(retries_each_with_a_limit) {
  int number = 1;
  for (; number < 5; ++number) {
    const auto body = [&] {
      ticks(4 - number);
      return "reached";
    };
    try {
      trace(timeout(1.5, body));
      break;
    } catch (const weft::TimeoutError& error) {
      trace("try", number, error);
    }
  }
  trace("tries", number);
}

SCENARIO(sleep_until_a_moment) {
  const auto start = now();
  for (const int number : {1, 2, 3}) {
    weft::sleep_until(start + span(3 * number));
    trace("ticks", passed(start));
    ticks(number);
  }

  const auto other = [] { trace("other runs"); };
  auto task = weft::spawn(other);
  weft::sleep_until(start);
  trace("back at once", passed(start));
  task.get();
}

// ---- Looking at the limit, and moving it.

SCENARIO(when_and_expired) {
  const auto body = [](TimeoutScope& scope) {
    trace("left", left(scope), scope.expired());
    ticks(2);
    trace("left", left(scope), scope.expired());
    try {
      overlong();
    } catch (const weft::Cancelled&) {
      ticks(1);
      trace("left", left(scope), scope.expired());
      throw;
    }
  };
  attempt("timeout", [&] { timeout(5, body); });
}

SCENARIO(when_of_a_limit_that_had_passed) {
  const auto start = now();

  const auto body = [](TimeoutScope& scope) {
    trace("left", left(scope));
    return "quick";
  };
  attempt("timeout", [&] { return weft::timeout_at(start - span(3), body); });

  const auto moved = [&](TimeoutScope& scope) {
    scope.reschedule(start - span(4));
    trace("left", left(scope));
    return "quick";
  };
  attempt("timeout", [&] { return timeout(5, moved); });
}

SCENARIO(limit_moved_to_later) {
  const auto body = [](TimeoutScope& scope) {
    ticks(1);
    scope.reschedule(now() + span(5));
    overlong();
  };
  const auto start = now();
  attempt("timeout", [&] { timeout(2, body); });
  trace("ticks", passed(start));
}

SCENARIO(limit_moved_to_sooner) {
  const auto body = [](TimeoutScope& scope) {
    ticks(1);
    scope.reschedule(now() + span(2));
    overlong();
  };
  const auto start = now();
  attempt("timeout", [&] { timeout(50, body); });
  trace("ticks", passed(start));
}

SCENARIO(limit_moved_to_the_past) {
  const auto body = [](TimeoutScope& scope) {
    ticks(1);
    scope.reschedule(now() - span(1));
    trace("goes on until it suspends");
    overlong();
  };
  const auto start = now();
  attempt("timeout", [&] { timeout(50, body); });
  trace("ticks", passed(start));
}

SCENARIO(limit_of_nothing_moved_before_the_body_suspends) {
  const auto body = [](TimeoutScope& scope) {
    trace("expired", scope.expired(), "cancelling", cancelling());
    attempt("reschedule", [&] { scope.reschedule(now() + span(5)); });
    ticks(1);
    return "in time";
  };
  attempt("timeout", [&] { return timeout(0, body); });
}

SCENARIO(limit_lifted) {
  const auto body = [](TimeoutScope& scope) {
    scope.reschedule(std::nullopt);
    trace("left", left(scope));
    ticks(7);
    trace("expired", scope.expired());
    return "free";
  };
  attempt("timeout", [&] { return timeout(2, body); });
}

SCENARIO(limit_lifted_and_set_again) {
  const auto body = [](TimeoutScope& scope) {
    scope.reschedule(std::nullopt);
    ticks(4);
    scope.reschedule(now() + span(1));
    overlong();
  };
  const auto start = now();
  attempt("timeout", [&] { timeout(2, body); });
  trace("ticks", passed(start));
}

SCENARIO(limit_moved_after_expiry_is_misuse) {
  const auto body = [](TimeoutScope& scope) {
    try {
      overlong();
    } catch (const weft::Cancelled&) {
      attempt("later", [&] { scope.reschedule(now() + span(5)); });
      attempt("none", [&] { scope.reschedule(std::nullopt); });
      trace("expired", scope.expired());
      throw;
    }
  };
  attempt("timeout", [&] { timeout(2, body); });
}

}  // namespace parity
