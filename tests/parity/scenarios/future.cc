#include "parity/harness.h"

namespace parity {}  // namespace parity
