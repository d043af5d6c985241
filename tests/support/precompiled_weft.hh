// The same for tests of the public surface.

#include <gmock/gmock.h>
#include <weft/weft.h>

#include "support/precompiled_gtest.hh"
