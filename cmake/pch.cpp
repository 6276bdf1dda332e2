// Carries the precompiled headers; see boost.cmake.
