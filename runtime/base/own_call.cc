#include "base/own_call.h"

namespace weft::detail {

constinit thread_local unsigned OwnCall::depth_ = 0;

}  // namespace weft::detail
