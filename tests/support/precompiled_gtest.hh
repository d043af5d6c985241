// What every test includes, for the compiler to parse once a suite. Tests include what they need all
// the same. No #pragma once: the compiler gets this as its main file.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
