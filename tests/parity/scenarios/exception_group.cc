// What can be asked of the exceptions that leave a task group. Each scenario does what its namesake
// in exception_group.py does.

#include "parity/cast.h"

namespace parity {

using cast::failing;
using weft::ExceptionGroup;
using weft::TaskGroup;

template <class... E>
static ExceptionGroup group_of(const char* message, const E&... errors) {
  return ExceptionGroup(message, {std::make_exception_ptr(errors)...});
}

static ExceptionGroup tree() {
  const auto inner = group_of("inner", Failure("b"), OtherFailure("c"), Failure("d"));
  const auto last = group_of("last", Failure("e"));
  return group_of("outer", Failure("a"), inner, last, OtherFailure("f"));
}

/// The group that leaves a task group whose child throws the error.
template <class E>
static ExceptionGroup caught_from(const E& error) {
  const auto throwing = [&] { throw E(error); };
  try {
    weft::task_group([&](TaskGroup& group) { group.spawn(throwing); });
  } catch (const ExceptionGroup& group) {
    return group;
  }
  throw Failure("no group");
}

SCENARIO(split_by_type_keeps_the_shape) {
  const auto [matching, rest] = tree().split<Failure>();
  trace("matching", matching);
  trace("rest", rest);
}

SCENARIO(split_by_a_type_that_none_or_all_are) {
  for (const auto& [matching, rest] :
       {tree().split<weft::TimeoutError>(), tree().split<std::exception>()}) {
    trace("matching", matching);
    trace("rest", rest);
  }
}

SCENARIO(condition_is_asked_from_the_group_down) {
  const auto condition = [](const std::exception_ptr& error) {
    trace("asked of", error);
    try {
      std::rethrow_exception(error);
    } catch (const ExceptionGroup& group) {
      return group.errors().size() == 3;
    } catch (const std::exception&) {
      return false;
    }
  };
  const auto [matching, rest] = tree().split_if(condition);
  trace("matching", matching);
  trace("rest", rest);
}

SCENARIO(leaves_of_a_tree) { trace("leaves", tree().leaves()); }

SCENARIO(group_thrown_by_a_child_stays_a_group) {
  const auto group = caught_from(tree());
  trace("caught", group);
  trace("contains", group.contains<OtherFailure>(), group.contains<weft::TimeoutError>());
  trace("leaves", group.leaves().size());
}

SCENARIO(each_type_has_a_handler_and_the_rest_goes_on) {
  const auto body = [](TaskGroup& group) {
    group.spawn(failing("a", 1));
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      throw OtherFailure("body");
    }
  };
  attempt("work", [&] {
    try {
      weft::task_group(body);
    } catch (const ExceptionGroup& group) {
      const auto [failures, rest] = group.split<Failure>();
      if (failures) trace("handled", *failures);
      if (rest) throw ExceptionGroup(*rest);
    }
  });
}

SCENARIO(group_needs_an_exception) {
  attempt("group", [] { return ExceptionGroup("none", {}); });
}

}  // namespace parity
