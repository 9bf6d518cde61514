/* SPDX-License-Identifier: Apache-2.0 */
/* Word lists of generated container names. */
#ifndef CLOCHE_ENGINE_NAMES_WORDS_H
#define CLOCHE_ENGINE_NAMES_WORDS_H

#include <stddef.h>

struct name_words {
	const char *const *words;
	size_t count;
};

extern const struct name_words name_adjectives;
extern const struct name_words name_surnames;

#endif
