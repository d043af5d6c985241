// What every scenario includes, for the compiler to parse once. No #pragma once: it gets this as its
// main file.

#include "parity/cast.h"
