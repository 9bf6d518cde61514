/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a hostile image configuration: either it decodes into consistent lists or nothing is kept. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "oci/image_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		if (!v->items[i])
			abort();
	if (v->count && v->items[v->count])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oci_image_config c;
	struct err err = ERR_INIT;

	if (oci_image_config_decode((const char *)data, size, "config", &c, &err) < 0) {
		if (err.kind == ERR_NONE || c.document || c.os || c.history)
			abort();
		return 0;
	}
	if (!c.os || !c.architecture || !c.document)
		abort();
	check_list(&c.env);
	check_list(&c.cmd);
	check_list(&c.labels);
	check_list(&c.volumes);
	check_list(&c.diff_ids);
	oci_image_config_free(&c);
	return 0;
}
